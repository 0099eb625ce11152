// Set-up speaks on stderr only: stdout belongs to the command that comes after it.

/** A set-up step that cannot go on, with the way out. */
export class SetupError extends Error {
  constructor(message, hint) {
    super(message);
    this.name = "SetupError";
    this.hint = hint;
  }
}

export function say(line) {
  process.stderr.write(`setup: ${line}\n`);
}
