import { defaultDataDir } from "../../config/home.ts";
import { readServerRecord } from "../../config/server-record.ts";

/** The TCP address of the server behind a socket when it has one (a `lydian server` on the default data directory), else the socket. */
export function embeddedUrl(socketUrl: string): string {
  const record = readServerRecord(defaultDataDir());
  return record?.socketUrl === socketUrl ? record.url : socketUrl;
}
