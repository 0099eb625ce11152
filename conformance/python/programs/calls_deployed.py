"""A script that calls what another program has deployed."""

import modal


def show(name, do):
    try:
        result = do()
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    # In one piece: what containers print comes in between otherwise.
    print(f"{name} = {result}\n", end="", flush=True)


version = modal.Function.from_name("deployed", "version")
Greeter = modal.Cls.from_name("deployed", "Greeter")
show("version", version.remote)
show("echo", lambda: modal.Function.from_name("deployed", "echo").remote(1, two=2))
show("generator", lambda: list(modal.Function.from_name("deployed", "count").remote_gen(3)))
show("map", lambda: list(modal.Function.from_name("deployed", "represent").map([1, 2])))
show("spawn", lambda: version.spawn().get())
show("class", lambda: Greeter().greet.remote())
show("class with parameters", lambda: Greeter(name="you").greet.remote("hi"))
show("class with options", lambda: Greeter.with_options(max_containers=1, timeout=20)(name="them").greet.remote())
show("app", lambda: modal.App.lookup("deployed").app_id[:3])
show("stats", lambda: modal.Function.from_name("deployed", "version").get_current_stats().num_total_runners > 0)
show("web url", version.get_web_url)
show("update_autoscaler", lambda: version.update_autoscaler(min_containers=0, max_containers=2, scaledown_window=30) and None)
show("update_autoscaler of an object", lambda: Greeter(name="you").update_autoscaler(min_containers=0) and None)
show("wrong bounds", lambda: version.update_autoscaler(min_containers=3, max_containers=2))
show("no app", lambda: modal.Function.from_name("nowhere", "version").remote())
show("no function", lambda: modal.Function.from_name("deployed", "nothing").remote())
show("no class", lambda: modal.Cls.from_name("deployed", "Nothing")().greet.remote())
show("no method", lambda: Greeter().nothing.remote())
show("class as function", lambda: modal.Function.from_name("deployed", "Greeter").remote())
show("function as class", lambda: modal.Cls.from_name("deployed", "version")().greet.remote())
show("method as function", lambda: modal.Function.from_name("deployed", "Greeter.greet").remote())
show("no environment", lambda: modal.Function.from_name("deployed", "version", environment_name="nowhere").remote())
show("no call", lambda: modal.FunctionCall.from_id("fc-0000000000000000000000").get(timeout=1))
show("no app to look up", lambda: modal.App.lookup("nowhere"))
show("lookup makes one", lambda: modal.App.lookup("made-by-lookup", create_if_missing=True).app_id[:3])
