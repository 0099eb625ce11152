import { App, parameter, parameters } from "lydian";

export const app = new App("shop");

export const greet = app.function({ params: ["name", "word"] }, async (name: string, word = "Hello") => {
  if (name === "") throw new RangeError("nobody is called that");
  console.log("greeting", name);
  return `${word}, ${name}`;
});

export const numbers = app.function(async function* (to: number) {
  for (let i = 0; i < to; i++) yield i;
});

class TillImpl extends parameters({ city: parameter.string(), rate: parameter.int({ default: 2 }) }) {
  async bill(amount: number) {
    return `${amount * this.rate} in ${this.city}`;
  }
}
export const Till = app.cls({ methods: ["bill"] }, TillImpl);
