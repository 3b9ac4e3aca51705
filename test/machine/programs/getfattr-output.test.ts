import { describe, expect, it } from 'vitest'
import { AttributeParser, type FileAttribute } from '../../../src/machine/programs/getfattr-output.js'

const top = '/proc/self/fd/3/.'

function parse(chunks: Iterable<string>) {
  const files: Record<string, readonly FileAttribute[]> = {}
  const parser = new AttributeParser(top, (path, attributes) => {
    files[path.toString('latin1')] = attributes
  })
  for (const chunk of chunks) parser.push(Buffer.from(chunk, 'latin1'))
  return { files, isWhole: parser.finish() }
}

const output = [
  `# file: ${top}`,
  'user.top=0x00',
  '',
  `# file: ${top}/ping`,
  'security.capability=0x0100',
  'user.empty',
  '',
  // A name of a newline, "# file: ", a backslash and a byte that is no UTF-8; an attribute with newline, "=" and backslash.
  `# file: ${top}/d/\\012# file: \\134\xe9`,
  'user.a\\012b\\075c\\134d=0x78',
  '',
  '',
].join('\n')

const found = {
  '': [{ name: 'user.top', value: '0x00' }],
  ping: [
    { name: 'security.capability', value: '0x0100' },
    { name: 'user.empty', value: '0x' },
  ],
  'd/\n# file: \\\xe9': [{ name: 'user.a\nb=c\\d', value: '0x78' }],
}

describe('the output of getfattr', () => {
  it('is read in pieces of any size, with names of any bytes', () => {
    for (const size of [1, 2, 7, 1000]) {
      const chunks = Array.from({ length: Math.ceil(output.length / size) }, (_, i) =>
        output.slice(i * size, (i + 1) * size),
      )
      expect(parse(chunks)).toEqual({ files: found, isWhole: true })
    }
  })

  it('may have values of 64 KiB, which are not kept', () => {
    const value = 'ab'.repeat(65536)
    expect(parse([`# file: ${top}/f\nuser.long=0x`, value, '\nuser.b=0x01\n\n'])).toEqual({
      files: {
        f: [
          { name: 'user.long', value: null },
          { name: 'user.b', value: '0x01' },
        ],
      },
      isWhole: true,
    })
  })

  it.each([
    ['text before the first file', `usage: getfattr\n${output}`],
    ['a file outside of the tree', '# file: /etc/passwd\nuser.a=0x00\n\n'],
    ['a neighbour whose name begins as the top does', `# file: ${top}x\nuser.a=0x00\n\n`],
    ['a path longer than any', `# file: ${top}/${'x'.repeat(30_000)}\nuser.a=0x00\n\n`],
    ['no end', output.slice(0, -2)],
    ['half of a line', `${output}# fi`],
  ])('is not taken with %s', (_, text) => {
    expect(parse([text]).isWhole).toBe(false)
  })
})
