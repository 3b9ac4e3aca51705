import { expect, test } from 'vitest'
import { FailureReader } from '../../../src/machine/programs/setfattr-failures.js'

test('each line of setfattr is a failure, wherever the output is cut', () => {
  const text = [
    'setfattr: /top/a b: c: Operation not supported',
    'something else',
    'setfattr: /top/n\\012\\134l: No space left on device',
    'setfattr: elsewhere: Permission denied',
    'setfattr: no reason',
    '',
  ].join('\n')
  for (let cut = 0; cut < text.length; cut += 7) {
    const reader = new FailureReader('/top')
    for (const part of [text.slice(0, cut), text.slice(cut)]) reader.add(Buffer.from(part))
    const { count, first } = reader.result()
    expect(count).toBe(4)
    expect(first.map(({ path, reason }) => `${path}: ${reason}`)).toEqual([
      'a b: c: Operation not supported',
      'n\n\\l: larger than the file system of this host takes',
      'elsewhere: Permission denied',
      ': no reason',
    ])
  }
})

test('a thousand failures are kept, and all are counted', () => {
  const reader = new FailureReader('/top')
  reader.add(Buffer.from('setfattr: /top/f: x\n'.repeat(1200)))
  expect([reader.result().count, reader.result().first.length]).toEqual([1200, 1000])
})
