import type {
  DescMethod,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { CallContext } from "./context.ts";

type Handler<M extends DescMethod, C> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext<C>) => Promise<MessageInitShape<O>> | MessageInitShape<O>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext<C>) => AsyncIterable<MessageInitShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, context: CallContext<C>) => Promise<MessageInitShape<O>>
        : never;

/**
 * One function per method of the service, by its camelCase name. A server-streaming one returns an async iterable, a client-streaming
 * one is given one: reading on is what lets the client send on.
 */
export type Handlers<S extends DescService, C> = { [K in keyof S["method"]]: Handler<S["method"][K], C> };

export interface ServiceDefinition<C> {
  readonly desc: DescService;
  readonly handlers: ReadonlyMap<string, (request: never, context: CallContext<C>) => unknown>;
}

/** Binds handlers to a service. A method without one answers UNIMPLEMENTED by name. */
export function service<S extends DescService, C>(desc: S, handlers: Partial<Handlers<S, C>>): ServiceDefinition<C> {
  const bound = new Map<string, (request: never, context: CallContext<C>) => unknown>();
  for (const { localName } of desc.methods) {
    const handler = (handlers as Record<string, unknown>)[localName];
    if (typeof handler === "function") bound.set(localName, handler.bind(handlers));
  }
  return { desc, handlers: bound };
}
