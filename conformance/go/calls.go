// Calls, by name, what the Python client has deployed.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/modal-labs/modal-client/go"
)

func show(name string, do func() (any, error)) {
	value, err := do()
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		fmt.Printf("%s = %T: %s\n", name, err, text)
		return
	}
	fmt.Printf("%s = %v\n", name, value)
}

func main() {
	ctx := context.Background()
	mc, err := modal.NewClient()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer mc.Close()

	function := func(name string) *modal.Function {
		found, err := mc.Functions.FromName(ctx, "deployed", name, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, name, err)
			os.Exit(1)
		}
		return found
	}
	echo, represent, forever := function("echo"), function("represent"), function("forever")

	show("args and kwargs", func() (any, error) {
		return echo.Remote(ctx, []any{1, "two"}, map[string]any{"three": 3.5})
	})
	for name, value := range map[string]any{
		"nil": nil, "bool": true, "int": 42, "large int": int64(1) << 53, "negative": -7, "float": 1.25, "string": "héllo",
		"bytes": []byte{0, 255}, "list": []any{1, []any{"a"}}, "map": map[string]any{"a": 1}, "time": time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
	} {
		show(name, func() (any, error) {
			answer, err := represent.Remote(ctx, []any{value}, nil)
			if err != nil {
				return nil, err
			}
			pair := answer.([]any)
			return pair[1], nil
		})
	}
	show("large", func() (any, error) {
		large := bytes.Repeat([]byte("x"), 5_000_000)
		answer, err := represent.Remote(ctx, []any{large}, nil)
		if err != nil {
			return nil, err
		}
		return bytes.Equal(answer.([]any)[0].([]byte), large), nil
	})
	show("spawn", func() (any, error) {
		call, err := function("version").Spawn(ctx, nil, nil)
		if err != nil {
			return nil, err
		}
		again, err := mc.FunctionCalls.FromID(ctx, call.FunctionCallID, nil)
		if err != nil {
			return nil, err
		}
		return again.Get(ctx, nil)
	})
	show("not done, then cancelled", func() (any, error) {
		call, err := forever.Spawn(ctx, nil, nil)
		if err != nil {
			return nil, err
		}
		zero := time.Duration(0)
		_, err = call.Get(ctx, &modal.FunctionCallGetParams{Timeout: &zero})
		var late modal.FunctionTimeoutError
		if !errors.As(err, &late) {
			return nil, fmt.Errorf("not a timeout: %w", err)
		}
		if err := call.Cancel(ctx, nil); err != nil {
			return nil, err
		}
		return call.Get(ctx, nil)
	})
	show("remote error", func() (any, error) { return function("fail").Remote(ctx, []any{"because"}, nil) })
	show("stats", func() (any, error) {
		stats, err := function("version").GetCurrentStats(ctx, nil)
		if err != nil {
			return nil, err
		}
		return fmt.Sprintf("%d %v", stats.Backlog, stats.NumTotalRunners > 0), nil
	})
	show("update autoscaler", func() (any, error) {
		two := uint32(2)
		_, err := function("version").UpdateAutoscaler(ctx, &modal.FunctionUpdateAutoscalerParams{MaxContainers: &two})
		return "done", err
	})
	show("web url", func() (any, error) { return echo.GetWebURL() == "", nil })

	cls, err := mc.Cls.FromName(ctx, "deployed", "Greeter", nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	greet := func(cls *modal.Cls, parameters map[string]any, method string) (any, error) {
		instance, err := cls.Instance(ctx, parameters)
		if err != nil {
			return nil, err
		}
		greet, err := instance.Method(method)
		if err != nil {
			return nil, err
		}
		return greet.Remote(ctx, []any{"hi"}, nil)
	}
	show("class", func() (any, error) { return greet(cls, nil, "greet") })
	show("class with parameters", func() (any, error) { return greet(cls, map[string]any{"name": "you"}, "greet") })
	show("class with options", func() (any, error) {
		one := 1
		return greet(cls.WithOptions(&modal.ClsWithOptionsParams{MaxContainers: &one}), map[string]any{"name": "them"}, "greet")
	})
	show("parameter of a wrong type", func() (any, error) { return greet(cls, map[string]any{"name": 3}, "greet") })
	show("no method", func() (any, error) { return greet(cls, nil, "nothing") })
	show("no function", func() (any, error) { return mc.Functions.FromName(ctx, "deployed", "nothing", nil) })
	show("no app", func() (any, error) { return mc.Functions.FromName(ctx, "nowhere", "version", nil) })
	show("no class", func() (any, error) { return mc.Cls.FromName(ctx, "deployed", "Nothing", nil) })
	show("class as function", func() (any, error) { return mc.Functions.FromName(ctx, "deployed", "Greeter", nil) })
	show("app", func() (any, error) {
		app, err := mc.Apps.FromName(ctx, "deployed", nil)
		if err != nil {
			return nil, err
		}
		return app.AppID[:3], nil
	})
	show("no secret", func() (any, error) { return mc.Secrets.FromName(ctx, "nowhere", nil) })
}
