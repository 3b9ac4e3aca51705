import { InvalidArgumentError } from 'commander'
import { sizeArgument } from './options.js'

/** Make the parser of an option that takes only some sizes. @param expected  as in "a power of two from 512 to 64K" */
export function unitArgument(isRight: (size: number) => boolean, expected: string): (text: string) => number {
  return (text) => {
    const size = sizeArgument(text)
    if (isRight(size)) return size
    throw new InvalidArgumentError(`Give ${expected}.`)
  }
}
