// Merges in place and sends itself a signal on the way:  node killed-merge.js SIGNAL CALL SUFFIX COUNT COW OPTIONS
// before the call of that name on a file whose name ends so is made for the COUNTth time. OPTIONS are those of
// mergeInPlace, as JSON. Its module alone is loaded: the whole library takes as long again and more.

import { localHostFiles } from '../../dist/machine/host-files.js'
import { mergeInPlace } from '../../dist/verbs/merge/in-place/merge-in-place.js'

const [signal, call, suffix, count, cow, options] = process.argv.slice(2)
let calls = 0

/** Paths are text or bytes, open files have a name. */
function nameOf(file) {
  return typeof file === 'string' || file instanceof Uint8Array ? String(file) : file.name
}

const files = new Proxy(localHostFiles, {
  get(target, name) {
    const value = target[name]
    if (name !== call) return value
    return (...operands) => {
      if (nameOf(operands[0]).endsWith(suffix) && ++calls === Number(count)) process.kill(process.pid, signal)
      return value.apply(target, operands)
    }
  },
})

await mergeInPlace(cow, { ...JSON.parse(options), files })
