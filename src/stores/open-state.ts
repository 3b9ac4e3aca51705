import { UmlcowError } from '../errors.js'

/**
 * Knows whether a store or an image is open, and how many calls on it are under way.
 *
 * The number of a closed descriptor may belong to another file a moment later. So a call after `close` fails, and
 * `close` releases nothing before the calls under way have ended.
 */
export class OpenState {
  /** For calls that must be fast: `if (!state.isOpen) throw state.closed()`. */
  isOpen = true
  readonly #name: string
  #underWay = 0
  #onIdle: (() => void) | null = null
  #closing: Promise<void> | null = null

  constructor(name: string) {
    this.#name = name
  }

  /** Make the error for a call after `close`. */
  closed(): UmlcowError {
    return new UmlcowError('CLOSED', `${this.#name}: is closed`)
  }

  /** @throws UmlcowError CLOSED after `close` */
  assertOpen(): void {
    if (!this.isOpen) throw this.closed()
  }

  /** Make a call that `close` waits for. @throws UmlcowError CLOSED */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (!this.isOpen) throw this.closed()
    this.#underWay++
    try {
      return await call()
    } finally {
      this.#underWay--
      if (this.#underWay === 0) this.#onIdle?.()
    }
  }

  /** Refuse further calls, wait for those under way, then call `giveBack` once. Later closes wait for the first. */
  async close(giveBack: () => Promise<void>): Promise<void> {
    if (this.#closing === null) {
      this.isOpen = false
      this.#closing = this.#whenIdle().then(giveBack)
      return await this.#closing
    }
    // Only the first close reports a failure.
    await this.#closing.catch(() => {})
  }

  #whenIdle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }
}
