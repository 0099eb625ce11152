#!/usr/bin/env node
// The `lydian` program. Only the command tree is loaded here; what a command needs is loaded by the command.
import { runProgram } from "./program.ts";

process.exitCode = await runProgram(process.argv.slice(2));
