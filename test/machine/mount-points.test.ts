import { describe, expect, it } from 'vitest'
import { mountPointsIn } from '../../src/machine/mount-points.js'

const list = [
  '21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw',
  '30 21 0:5 / /srv/tree/data/proc rw - proc proc rw',
  '31 21 0:6 / /srv/tree/data/with\\040blank\\134\\012\xff rw shared:1 - tmpfs none rw',
  '32 31 0:7 / /srv/tree/data/proc rw - tmpfs none rw',
  '33 21 0:8 / /srv/tree/data rw - tmpfs none rw',
  '34 21 0:8 / /srv/tree/data-two/x rw - tmpfs none rw',
  '',
].join('\n')

describe('mountPointsIn', () => {
  it('has what lies below a directory, as bytes and once', () => {
    const found = mountPointsIn(list, Buffer.from('/srv/tree/data')).map((place) => place.toString('latin1'))
    expect(found).toEqual(['proc', 'with blank\\\n\xff'])
  })

  it('takes lines that are none', () => {
    expect(mountPointsIn('\n1 2\nx', Buffer.from('/'))).toEqual([])
  })
})
