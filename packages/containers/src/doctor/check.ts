/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  /** What is there. */
  readonly found: string;
  /** Why it matters. */
  readonly why: string;
  /** What to do. Empty when nothing is. */
  readonly fix: string;
}
