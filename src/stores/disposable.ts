/**
 * Let `await using` close a handle.
 *
 * Some browsers lack `Symbol.asyncDispose`. They have no `await using` either, so nothing looks for the method there.
 */
export function disposable<T extends { close(): Promise<void> }>(handle: T): T & AsyncDisposable {
  const { asyncDispose } = Symbol as { readonly asyncDispose?: typeof Symbol.asyncDispose }
  const method = asyncDispose === undefined ? {} : { [asyncDispose]: () => handle.close() }
  return Object.assign(handle, method as AsyncDisposable)
}
