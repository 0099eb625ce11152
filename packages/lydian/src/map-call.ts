/**
 * Results of a map: iterate them as they come, or await them all. Nothing is sent before either. Awaiting it again gives the same
 * results; each iteration is a map of its own.
 */
export interface MapCall<R> extends AsyncIterable<R>, PromiseLike<R[]> {}

export function mapCall<R>(start: () => AsyncGenerator<R, void, undefined>): MapCall<R> {
  const all = async (): Promise<R[]> => {
    const results: R[] = [];
    for await (const result of start()) results.push(result);
    return results;
  };
  let results: Promise<R[]> | undefined;
  return {
    [Symbol.asyncIterator]: start,
    // biome-ignore lint/suspicious/noThenProperty: `await f.map(xs)` is the natural way to ask for all results.
    then: (onResults, onError) => {
      results ??= all();
      return results.then(onResults, onError);
    },
  };
}
