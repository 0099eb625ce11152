// A typical Dockerfile and its context: packages of the distribution, packages of pip, the program, and small steps.
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Context {
  readonly dir: string;
  readonly dockerfile: string;
}

const MODULES = 400;

/** `version` stands in the last step. */
export async function writeContext(dir: string, base: string, version: string): Promise<Context> {
  await mkdir(join(dir, "app/data"), { recursive: true });
  await writeFile(join(dir, "requirements.txt"), "requests==2.32.3\nnumpy==2.1.3\nfastapi==0.115.6\n");
  for (let i = 0; i < MODULES; i++) await writeFile(join(dir, `app/module_${i}.py`), `VALUE = ${i}\n${"# a line of text\n".repeat(200)}`);
  await writeFile(join(dir, "app/data/table.bin"), Buffer.alloc(8 << 20, 7));
  // Networks may have certificates of their own, which pip must know.
  await copyFile("/etc/ssl/certs/ca-certificates.crt", join(dir, "certificates.pem"));
  const dockerfile = join(dir, "Dockerfile");
  const lines = [
    `FROM ${base}`,
    "RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*",
    "COPY certificates.pem /certificates.pem",
    "ENV PIP_CERT=/certificates.pem PATH=/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "RUN python3 -m venv /venv",
    "WORKDIR /app",
    "COPY requirements.txt .",
    "RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt",
    "COPY app ./app",
    "RUN python -m compileall -q app",
    "RUN mkdir -p /data && date > /data/built",
    `RUN echo ${version} > /version`,
    'CMD ["python", "-c", "import app.module_1"]',
  ];
  await writeFile(dockerfile, `${lines.join("\n")}\n`);
  return { dir, dockerfile };
}
