import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { e2fsprogs } from './ext-images.js'
import { root } from './paths.js'

/** How a guest mounts a file system. */
export interface GuestMount {
  readonly name: string
  /** Options of mke2fs. */
  readonly mke2fs: string
  readonly type: string
  /** Options of mount, more than `commit`. */
  readonly options: string
}

const work = `
i=0
while [ $i -lt 30 ]; do
  echo more $i >> f$((i+1)); mkdir d$i; echo x > d$i/new; mv f$((i+5)) d$i/moved 2> /dev/null
  rm -f f$((i+9)); ln -s target d$i/link
  [ $((i%7)) = 0 ] && sync
  i=$((i+1))
done
printf '\\300\\073\\071\\230escaped' > magic
sync; rm -r d3 d4 d5
`
const orphanWork = 'exec 5< d7/new; rm d7/new; sync; '
const fastCommitWork = 'for i in 1 2 3 4; do dd if=/dev/zero of=fast$i bs=1k count=3 conv=fsync; done; '

/** Make a file system, let a guest work in it, and stop the guest without an unmount. */
export function dirtyByGuest(
  image: string,
  { mke2fs, type, options }: GuestMount,
  { hasOrphan = false, hasFastCommits = false },
): void {
  const tree = mkdtempSync(`${image}-files-`)
  for (let i = 1; i < 40; i++) writeFileSync(path.join(tree, `f${i}`), `file ${i}\n`)
  e2fsprogs('mke2fs', ['-q', '-F', ...mke2fs.split(' '), '-d', tree, image, '32M'])
  const mount = `mount -t ${type} -o ${['commit=300', options].filter(Boolean).join(',')} /dev/ubda /mnt`
  const last = `${hasOrphan ? orphanWork : ''}${hasFastCommits ? fastCommitWork : 'sync; '}echo late > late`
  const script = `${mount} && cd /mnt && { ${work} ${last}; echo done; poweroff -fn; }`
  const boot = path.join(root, 'test/uml-lab/boot')
  const args = [boot, '--timeout', '100', `ubda=${image}`, '--', script]
  const done = spawnSync('/usr/bin/python3', args, { encoding: 'utf8', timeout: 150_000 })
  if (!done.stdout.includes('done')) throw new Error(`the guest did not do its work: ${done.stdout}${done.stderr}`)
}
