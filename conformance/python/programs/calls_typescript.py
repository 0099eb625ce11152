"""The functions of conformance/apps/deployed/first.ts, called by name."""

import modal

greet = modal.Function.from_name("shop", "greet")
print("positional =", greet.remote("Ada"))
print("named =", greet.remote(word="Bye", name="Bo"))
print("map =", list(greet.map(["a", "b"])))
print("generator =", list(modal.Function.from_name("shop", "numbers").remote_gen(3)))
for name, call in {"thrown": lambda: greet.remote(""), "misnamed": lambda: greet.remote(nme="Cy")}.items():
    try:
        call()
    except Exception as error:
        print(name, "=", type(error).__name__, error)
