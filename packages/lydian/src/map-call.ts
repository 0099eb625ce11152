/** Results of a map: iterate them as they come, or await them all. Nothing is sent before either. */
export interface MapCall<R> extends AsyncIterable<R>, PromiseLike<R[]> {}

export function mapCall<R>(start: () => AsyncGenerator<R, void, undefined>): MapCall<R> {
  const all = async (): Promise<R[]> => {
    const results: R[] = [];
    for await (const result of start()) results.push(result);
    return results;
  };
  return {
    [Symbol.asyncIterator]: start,
    // biome-ignore lint/suspicious/noThenProperty: `await f.map(xs)` is the natural way to ask for all results.
    then: (onResults, onError) => all().then(onResults, onError),
  };
}
