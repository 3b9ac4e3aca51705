import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bmapTail, parseBmap, serializeBmapHead, serializeBmapRange } from '../../../src/formats/bmap/index.js'

const digest = 'ab'.repeat(32)

/** A file as bmaptool makes it. */
const theirs = `<?xml version="1.0" ?>
<!-- The 'version' attribute is <not> an element -- & no entity either. -->

<bmap version="2.0">
    <!-- Image size in bytes: 97.7 KiB -->
    <ImageSize> 100000 </ImageSize>
    <BlockSize> 4096 </BlockSize>
    <BlocksCount> 25 </BlocksCount>
    <MappedBlocksCount> 3  </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> ${digest} </BmapFileChecksum>
    <BlockMap>
        <Range chksum="${digest.toUpperCase()}"> 3-4 </Range>
        <Range> 24 </Range>
    </BlockMap>
</bmap>
`
const parse = (text: string) => parseBmap(Buffer.from(text, 'latin1'), 'x.bmap')
const changed = (from: string, to: string) => {
  expect(theirs).toContain(from)
  return theirs.replace(from, to)
}

describe('parseBmap', () => {
  it('reads what bmaptool writes', () => {
    const { bmap, fileDigest, fileDigestOffset } = parse(theirs)
    expect(bmap).toMatchObject({ imageSize: 100_000, blockSize: 4096, digests: [digest, null] })
    expect([...bmap.stretches]).toEqual([12_288, 20_480, 98_304, 100_000])
    expect([fileDigest, fileDigestOffset]).toEqual([digest, theirs.indexOf(digest)])
  })

  it('reads what umlcow writes', () => {
    const { bytes, fileDigestOffset } = serializeBmapHead(100_000, 3)
    const ranges = [serializeBmapRange(12_288, 20_480, digest), serializeBmapRange(98_304, 100_000, digest)]
    const parsed = parseBmap(Buffer.concat([bytes, ...ranges, bmapTail]), 'x.bmap')
    expect([...parsed.bmap.stretches]).toEqual([12_288, 20_480, 98_304, 100_000])
    expect(parsed).toMatchObject({ fileDigestOffset, fileDigest: '0'.repeat(64) })
    const empty = parseBmap(Buffer.concat([serializeBmapHead(0, 0).bytes, bmapTail]), 'x.bmap')
    expect(empty.bmap).toMatchObject({ imageSize: 0, digests: [] })
  })

  it.each([
    ['another version', changed('"2.0"', '"1.4"'), /version 2.0, got "1.4"/],
    ['a document type', changed('<bmap', '<!DOCTYPE bmap [<!ENTITY a "b">]><bmap'), /line 4: only elements/],
    ['an instruction', changed('<bmap', '<?php ?><bmap'), /only elements/],
    ['CDATA', changed(' 4096 ', '<![CDATA[4096]]>'), /only elements/],
    ['an entity', changed(' 4096 ', '&#52;096'), /"&#52;096" has a character/],
    ['an escape', changed(' 4096 ', '\x1b[31m'), /"\\x1b\[31m" has a character/],
    ['no ASCII', changed(' 4096 ', '\xe94096'), /has a character/],
    ['a negative number', changed(' 100000 ', '-1'), /ImageSize: expected a number/],
    ['a huge number', changed(' 100000 ', '9007199254740992'), /ImageSize: expected a number/],
    ['a hexadecimal number', changed(' 4096 ', '0x1000'), /BlockSize: expected a number/],
    ['a block size of 0', changed(' 4096 ', '0'), /expected a power of two/],
    ['a wrong count of blocks', changed(' 25 ', '26'), /BlocksCount: expected 25, got 26/],
    ['a wrong count of mapped blocks', changed(' 3  ', '4'), /MappedBlocksCount: expected 3, got 4/],
    ['a range beyond the end', changed(' 24 ', '25'), /beyond the end/],
    ['a range that goes back', changed(' 24 ', '4'), /"4" is no range of blocks after block 4/],
    ['a range from end to start', changed('3-4', '4-3'), /no range/],
    ['a range of three', changed('3-4', '3-4-5'), /no range/],
    ['a digest with other digits', changed(digest.toUpperCase(), 'z'.repeat(64)), /no SHA-256 digest/],
    ['another kind of digest', changed('sha256', 'md5'), /expected sha256, got "md5"/],
    ['a missing element', changed('<BlocksCount> 25 </BlocksCount>', ''), /has no BlocksCount/],
    [
      'an element twice',
      changed('<ChecksumType>', '<BlockSize> 1 </BlockSize><ChecksumType>'),
      /a second element <BlockSize>/,
    ],
    ['a misspelt attribute', changed('<Range> ', '<Range sha1="00"> '), /unknown attribute/],
    ['an unknown element', changed('<ChecksumType>', '<Other> 1 </Other><ChecksumType>'), /unknown element <Other>/],
    ['an element in a text', changed(' 4096 ', '<b> 4096 </b>'), /<BlockSize> is empty/],
    ['an empty element', changed('<Range> 24 </Range>', '<Range/>'), /malformed element/],
    ['another end of the ranges', changed('</BlockMap>', '</bmap>'), /<BlockMap> does not end/],
    ['another end of all', changed('</bmap>', '</BlockMap>'), /<bmap> does not end/],
    ['another end', changed(' 24 </Range>', ' 24 </BlockMap>'), /<Range> does not end/],
    ['an attribute twice', changed('<Range> ', '<Range a="" a=""> '), /attribute "a" too many/],
    ['an attribute without end', changed('version="2.0"', 'version="2.0'), /too long|malformed/],
    ['a long text', changed(' 4096 ', '0'.repeat(4096)), /4096 characters is too long/],
    ['a comment without end', '<!-- <bmap version="2.0">', /ends in a comment/],
    ['a short comment', '<!--><bmap version="2.0"></bmap>', /ends in a comment/],
    ['a second document', `${theirs}<bmap version="2.0"></bmap>`, /data follows the end/],
    ['nothing', '', /does not begin with <bmap>/],
    ['zeros', '\0'.repeat(1000), /too long|character/],
  ])('refuses %s', (_what, text, message) => {
    expect(() => parse(text)).toThrow(message)
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'BAD_BMAP' }))
  })

  it('takes 65,536 ranges and no more', () => {
    const withRanges = (count: number) => {
      const ranges = Array.from({ length: count }, (_, i) => `<Range>${i}</Range>`).join('')
      return theirs
        .replace(/<BlockMap>.*<\/BlockMap>/s, `<BlockMap>${ranges}</BlockMap>`)
        .replace(' 100000 ', `${count * 4096}`)
        .replace(' 25 ', `${count}`)
        .replace(' 3  ', `${count}`)
    }
    expect(parse(withRanges(2 ** 16)).bmap.digests.length).toBe(2 ** 16)
    expect(() => parse(withRanges(2 ** 16 + 1))).toThrow(/more than 65536 ranges/)
  })

  it('refuses every part of a file, and throws nothing but BAD_BMAP for any change', () => {
    const file = theirs.trimEnd()
    for (let end = 0; end < file.length; end += 7) {
      expect(() => parse(file.slice(0, end))).toThrow(expect.objectContaining({ code: 'BAD_BMAP' }))
    }
    const places = fc.array(fc.tuple(fc.nat(theirs.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 4 })
    fc.assert(
      fc.property(places, (edits) => {
        const bytes = Buffer.from(theirs)
        for (const [at, byte] of edits) bytes[at] = byte
        try {
          parseBmap(bytes, 'x')
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_BMAP' })
        }
      }),
      { numRuns: 300 },
    )
  })
})
