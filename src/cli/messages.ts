import { escapeText } from '../bytes/escape.js'

/**
 * Standard error. Call it only to print: the first use of `process.stderr` takes 3 ms, as long as all else that a short
 * command does.
 */
export function messageStream(): NodeJS.WriteStream {
  const { stderr } = process
  // A reader that has gone changes nothing.
  if (stderr.listenerCount('error') === 0) stderr.on('error', () => {})
  return stderr
}

/** Print for people. */
export function tell(text: string): void {
  messageStream().write(text)
}

export function warn(message: string): void {
  tell(`umlcow: warning: ${escapeText(message)}\n`)
}
