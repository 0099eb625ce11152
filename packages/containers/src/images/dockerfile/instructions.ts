import type { Heredoc } from "./lex.ts";
import type { RunMount } from "./mounts.ts";

/** A command either as a text for a shell or as its arguments. */
export type Command = { readonly form: "shell"; readonly script: string } | { readonly form: "exec"; readonly args: readonly string[] };

interface Place {
  /** Line of the Dockerfile, from 1. */
  readonly line: number;
  /** The instruction as written, for logs and messages. */
  readonly text: string;
}

/** `FROM image`. Variables of `image` are not replaced yet. */
export interface From extends Place {
  readonly kind: "from";
  /** An image, or an earlier stage. */
  readonly image: string;
  /** The stage's name, in lower case. */
  readonly as?: string;
}

export interface Run extends Place {
  readonly kind: "run";
  readonly mounts: readonly RunMount[];
  readonly command: Command;
}

/** `COPY` or `ADD`. Variables of `paths` and the flags are not replaced yet. */
export interface Copy extends Place {
  readonly kind: "copy";
  readonly keyword: "COPY" | "ADD";
  /** Sources, then the destination: as written, or from the JSON form. */
  readonly paths: string | readonly string[];
  /** Permission bits in octal. */
  readonly chmod?: string;
  readonly chown?: string;
  /** Stage (name or number) or image instead of the build context. */
  readonly from?: string;
  /** Keep the directories of the sources, from the context's root or from "/./" on. */
  readonly parents?: true;
  /** Patterns of what is left out. */
  readonly exclude: readonly string[];
  readonly heredocs: readonly Heredoc[];
}

export interface SetCommand extends Place {
  readonly kind: "cmd" | "entrypoint";
  readonly command: Command;
}

export interface SetShell extends Place {
  readonly kind: "shell";
  readonly args: readonly string[];
}

/** Instructions whose argument is words with variables. */
export interface SetText extends Place {
  readonly kind: "arg" | "env" | "label" | "workdir" | "user" | "expose";
  readonly value: string;
}

/** What means nothing where functions run. */
export interface Ignored extends Place {
  readonly kind: "ignored";
  /** Why, for the log. */
  readonly reason: string;
}

export type Instruction = From | Run | Copy | SetCommand | SetShell | SetText | Ignored;
