// For tests: a way to a server on which connections break.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface BreakingProxy extends AsyncDisposable {
  readonly url: string;
  /** Connections that it has broken off. */
  readonly broken: number;
}

/** Every connection ends without a farewell when about so many bytes have gone through it. */
export async function breakingProxy(port: number, bytes: number): Promise<BreakingProxy> {
  const open = new Set<Socket>();
  let broken = 0;
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    let left = bytes;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.on("error", () => undefined);
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
      from.on("data", (chunk: Buffer) => {
        left -= chunk.length;
        if (left > 0) {
          if (!to.write(chunk)) {
            from.pause();
            to.once("drain", () => from.resume());
          }
          return;
        }
        if (near.destroyed) return;
        broken++;
        near.resetAndDestroy();
        far.resetAndDestroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get broken() {
      return broken;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
