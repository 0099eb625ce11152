// A program of its own, that knows nothing but names: node call.mjs APP FUNCTION METHOD [ARGUMENTS as JSON] [NAMED as JSON]
// The FUNCTION may be CLASS.METHOD, of an instance that is made with NAMED.
import { Cls, Function as Deployed, kw } from "lydian";

const [app = "", name = "", method = "remote", args = "[]", named] = process.argv.slice(2);
const [className = "", member] = name.split(".");
const fn = member === undefined ? Deployed.fromName(app, name) : new (Cls.fromName(app, className))(JSON.parse(named ?? "{}"))[member];
try {
  const all = [...JSON.parse(args), ...(named === undefined || member !== undefined ? [] : [kw(JSON.parse(named))])];
  const result = method === "remoteGen" ? await collected(fn.remoteGen(...all)) : await fn[method](...all);
  console.log(JSON.stringify(result));
} catch (error) {
  console.log(JSON.stringify({ class: error.constructor.name, message: error.message, hint: error.hint, remoteName: error.remoteName }));
}

async function collected(values) {
  const result = [];
  for await (const value of values) result.push(value);
  return result;
}
