import type { ExtTime } from '../../formats/ext/index.js'

/** The words of `--time-style`. */
export const timeStyles = ['locale', 'full-iso', 'long-iso', 'iso'] as const
export type TimeStyle = (typeof timeStyles)[number]

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Half of the mean year of the calendar, seconds: ls shows the year of older files in the place of the hour. */
const halfYear = 31_556_952 / 2

const two = (value: number) => String(value).padStart(2, '0')
const hour = (date: Date) => `${two(date.getHours())}:${two(date.getMinutes())}`
const dayOf = (date: Date) => `${two(date.getMonth() + 1)}-${two(date.getDate())}`

/** Write times as ls does, in the time zone of TZ. `locale` is that of C. @param now  seconds since 1970 */
export function timeWriter(style: TimeStyle, now: number): (time: ExtTime) => string {
  if (style === 'full-iso') return fullTime
  const write = writers[style]
  let [last, text] = [Number.NaN, '']
  // Files that were made together have the same second.
  return ({ seconds }) => {
    if (seconds === last) return text
    ;[last, text] = [seconds, write(new Date(seconds * 1000), seconds > now - halfYear && seconds <= now)]
    return text
  }
}

const writers: Readonly<Record<Exclude<TimeStyle, 'full-iso'>, (date: Date, isRecent: boolean) => string>> = {
  'long-iso': (date) => `${date.getFullYear()}-${dayOf(date)} ${hour(date)}`,
  // A space at the end makes both forms equally long.
  iso: (date, isRecent) => (isRecent ? `${dayOf(date)} ${hour(date)}` : `${date.getFullYear()}-${dayOf(date)} `),
  locale: (date, isRecent) => {
    const day = `${months[date.getMonth()]} ${String(date.getDate()).padStart(2)}`
    return `${day} ${isRecent ? hour(date) : String(date.getFullYear()).padStart(5)}`
  },
}

/** Write a time with its nanoseconds and the offset of its zone: `2026-01-31 12:00:00.123456789 +0100`. */
export function fullTime({ seconds, nanoseconds }: ExtTime): string {
  const date = new Date(seconds * 1000)
  const offset = -date.getTimezoneOffset()
  const zone = Math.abs(offset)
  return (
    `${date.getFullYear()}-${dayOf(date)} ${hour(date)}:${two(date.getSeconds())}` +
    `.${String(nanoseconds).padStart(9, '0')} ` +
    `${offset < 0 ? '-' : '+'}${two(Math.floor(zone / 60))}${two(zone % 60)}`
  )
}

/** Write a time of a superblock, which has no parts of seconds: `2026-01-31 12:00:00 +0100`. */
export function secondsTime(seconds: number): string {
  return fullTime({ seconds, nanoseconds: 0 }).replace('.000000000', '')
}

/** Write a time for JSON: `2026-01-31T12:00:00.123456789Z`. */
export function isoTime({ seconds, nanoseconds }: ExtTime): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length)}.${String(nanoseconds).padStart(9, '0')}Z`
}
