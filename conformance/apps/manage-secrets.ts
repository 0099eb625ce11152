import { App, NotFoundError, Secret } from "lydian";

export const app = new App("manage-secrets");

app.localEntrypoint(async () => {
  const { objects } = Secret;
  const secret = Secret.fromName("managed");
  await objects.create("managed", { A: "1", B: "2", C: undefined });
  const refused = await objects.create("managed", { A: "1" }).catch((error) => error.message);
  await objects.create("managed", { D: "never" }, { existing: "keep" });
  await secret.update({ A: null, B: undefined, E: "3" });
  const { name, keys, environment, createdAt, lastUsedAt } = await secret.info();
  await objects.create("later", { F: "4" });
  await objects.create("later", { G: "5" }, { existing: "replace" });
  const newest = await objects.list({ limit: 1 });
  const older = await objects.list({ limit: 1, createdBefore: newest[0]?.createdAt });
  await objects.delete("managed");
  await objects.delete("managed", { allowMissing: true });
  const gone = [objects.delete("managed"), secret.info(), secret.update({ A: "1" })].map((each) => each.catch((error) => error));
  console.log(
    JSON.stringify({
      refused,
      info: { name, keys, environment, lastUsedAt },
      isRecent: Math.abs(Date.now() - createdAt.getTime()) < 600_000,
      listed: [...newest, ...older].map((each) => [each.name, each.keys]),
      isGone: (await Promise.all(gone)).every((error) => error instanceof NotFoundError),
    }),
  );
});
