// A real registry on this machine, which stands in for those that the official suites pull from.
import { beforeAll } from "vitest";
import { bareLayer, Registry } from "../registry.ts";
import { busyboxLayer } from "./busybox.ts";

/** A Python of Debian stands in for these. */
const PYTHONS: readonly string[] = ["library/python:3.13-alpine", "library/python:3.12-alpine"];
/**
 * Registry → image names that the suites use of it. What the server makes without a registry (debian:12-slim) must not be here: tests
 * share layers, and with them the memory of what a name means.
 */
const IMAGES: Readonly<Record<string, readonly string[]>> = {
  "docker.io": ["library/alpine:3.21", "library/alpine:3.13", "library/alpine:latest", ...PYTHONS],
  "us-east1-docker.pkg.dev": ["modal-prod-367916/private-repo-test/my-image:latest"],
  "459781239556.dkr.ecr.us-east-1.amazonaws.com": ["ecr-private-registry-test-7522615:python"],
};
const ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

/** One that has them, nearly all made of busybox. */
export class TestRegistry {
  readonly #registry = new Registry();
  /** The full names of its images. */
  readonly names = Object.entries(IMAGES).flatMap(([host, images]) => images.map((image) => `${host}/${image}`));

  /** To be called once, outside of tests, before that of the server that uses it. */
  constructor() {
    beforeAll(async () => {
      const [busybox, python] = await Promise.all([busyboxLayer(), bareLayer(["python3"], { "usr/bin/python": "python3" })]);
      for (const image of Object.values(IMAGES).flat())
        await this.#registry.push(image, { layers: [PYTHONS.includes(image) ? python : busybox], env: ENV });
    });
  }

  /** `127.0.0.1:<port>` */
  get host(): string {
    return this.#registry.host;
  }

  /** With which a server takes the images of all these registries from it. */
  get flags(): readonly string[] {
    return Object.keys(IMAGES).flatMap((registry) => ["--registry-mirror", `${registry}=http://${this.host}`]);
  }
}
