import { describe, expect, it } from 'vitest'
import { hasCode, UmlcowError } from '../../../../src/errors.js'
import type { HostFiles } from '../../../../src/machine/host-files.js'
import { oneByteStore } from '../../../stores/faulty-stores.js'
import { isDeep, sampleOf, tally } from '../../../support/amount.js'
import type { FailingHost, Failure } from '../../../support/failing-host.js'
import { temporaryDirectory } from '../../../support/paths.js'
import { type Case, cases, Run, removeLeftovers } from './fault-runs.js'

async function errorOf(pending: Promise<unknown>): Promise<unknown> {
  try {
    await pending
    return null
  } catch (error) {
    return error
  }
}

/** After a run that failed or not: what holds whatever happened. */
function expectSound(run: Run, host: FailingHost, label: string): void {
  expect(host.openStores(), `${label}: open stores`).toBe(0)
  run.expectRightReads(label)
}

/** The failure as it is; as the reason why a file may be a sibling; or as a look that differed from the one before. */
function isInjected(error: unknown, code: string): boolean {
  const isReason = hasCode(error, 'SIBLING_UNKNOWN') && String(error).includes('made to fail')
  return hasCode(error, code) || isReason || hasCode(error, 'INPUT_CHANGED')
}

/** @returns what a failure tells: that a merge is left to be resumed */
function saysUnfinished(error: unknown): boolean {
  return error instanceof UmlcowError && error.details['unfinished'] === true && (error.hint ?? '').includes('--resume')
}

/** Calls that change something on the disk or make sure of it; the others can only be refused. */
const changing = /^(write|truncate|sync|syncDirectory|link|rename|unlink|set[A-Z]\w+|open createNew) /

/** Every call of a merge or resume on this host. */
const everyCall = (calls: readonly string[]) => calls.map((_, i) => i)
const changingCalls = (calls: readonly string[]) => everyCall(calls).filter((i) => changing.test(calls[i]!))
/** Until something has been changed, a host that fails for ever is as one that fails once. */
const fromFirstChange = (calls: readonly string[]) => everyCall(calls).slice(changingCalls(calls)[0])

const failures: [string, Failure, (calls: readonly string[]) => number[]][] = [
  ['EIO', 'once', everyCall],
  ['EIO', 'forever', fromFirstChange],
  ['EIO', 'afterwards', changingCalls],
  ['ENOSPC', 'torn', changingCalls],
]

/** Of the calls that may fail: in a quick run each name of a call in the first case, and some calls in the others. */
function someOf(scene: Case, name: string, chosen: readonly number[], calls: readonly string[]): number[] {
  const isFirst = scene === cases[0]
  const kindOf = (i: number) => (isFirst ? calls[i]!.split(' ', 1)[0] : null)
  const some = sampleOf(`${scene.name} ${name}`, chosen, isFirst ? 4 : 2, kindOf)
  tally('in-place merges that fail at a call', some.length)
  return some
}

/** Over all tests: how many ran, and the merges that were left to be resumed. */
const total = { runs: 0, unfinished: 0 }

describe.each(cases)('a merge in place, $name, of which any call fails', (scene) => {
  it.each(failures)('with %s, %s', async (code, failure, choose) => {
    const top = temporaryDirectory()
    let unfinished = 0
    const calls = await undisturbed(scene, top)
    for (const failAt of someOf(scene, `${code} ${failure}`, choose(calls), calls)) {
      const run = new Run(scene, top)
      const host = run.host(failAt, { code, failure })
      const error = await errorOf(run.merge(host.files))
      const label = `call ${failAt}, ${host.calls[failAt]}`
      expectSound(run, host, label)
      if (error !== null) expect(isInjected(error, code), `${label}: ${error}`).toBe(true)
      if (failure === 'forever') removeLeftovers(run.directory)
      const isUnfinished = await run.isUnfinished()
      if (isUnfinished) unfinished++
      // When nothing works any more, whether a journal is left cannot be told: then it is better to name it.
      const knows = failure === 'once' || failure === 'torn'
      if (isUnfinished || knows) expect(saysUnfinished(error), `${label}: ${error}`).toBe(isUnfinished)
      await run.finish(label)
    }
    total.runs++
    total.unfinished += unfinished
    if (isDeep) expect(unfinished, 'resumes').toBeGreaterThan(5)
  })

  it('or whose files take and give one byte a call', async () => {
    const run = new Run(scene, temporaryDirectory())
    const { files } = run.host()
    const open: HostFiles['open'] = async (...how) => {
      const store = await files.open(...how)
      return Object.assign(oneByteStore(store), { fd: store.fd })
    }
    await run.merge({ ...files, open })
    expect(run.isMerged()).toBe(true)
    await run.finish('one byte a call')
  })

  it('or that is aborted at any call', async () => {
    const top = temporaryDirectory()
    const calls = await undisturbed(scene, top)
    for (const stopAt of someOf(scene, 'aborted', fromFirstChange(calls), calls)) {
      const run = new Run(scene, top)
      const stop = new AbortController()
      const host = run.host(undefined, { onCall: (index) => index === stopAt && stop.abort() })
      const error = await errorOf(run.merge(host.files, { signal: stop.signal }))
      const label = `call ${stopAt}, ${host.calls[stopAt]}`
      expectSound(run, host, label)
      if (error !== null) expect(hasCode(error, 'INTERRUPTED'), `${label}: ${error}`).toBe(true)
      expect(saysUnfinished(error), label).toBe(await run.isUnfinished())
      await run.finish(label)
    }
  })

  it('and then any call of the resume', async () => {
    const top = temporaryDirectory()
    for (const crash of crashesIn(await undisturbed(scene, top))) {
      const stopped = async () => {
        const run = new Run(scene, top)
        await errorOf(run.merge(run.host(crash, { failure: 'forever' }).files))
        removeLeftovers(run.directory)
        return run
      }
      const reference = await stopped()
      const host = reference.host()
      await reference.resume(host.files)
      for (const failAt of someOf(scene, 'resumed', fromFirstChange(host.calls), host.calls)) {
        const run = await stopped()
        const host = run.host(failAt, { failure: failAt % 2 === 0 ? 'once' : 'torn' })
        const error = await errorOf(run.resume(host.files))
        const label = `stopped at call ${crash}, resume at ${failAt}, ${host.calls[failAt]}`
        expectSound(run, host, label)
        if (error !== null) expect(isInjected(error, 'EIO'), `${label}: ${error}`).toBe(true)
        await run.finish(label)
      }
    }
  })
})

it('some of these merges were left to be resumed', ({ skip }) => {
  skip(total.runs < cases.length * failures.length, 'not all of them were made')
  expect(total.unfinished).toBeGreaterThan(5)
})

/** The calls of a merge that nothing disturbs. */
async function undisturbed(scene: Case, top: string): Promise<readonly string[]> {
  const run = new Run(scene, top)
  const host = run.host()
  await run.merge(host.files)
  expectSound(run, host, 'undisturbed')
  await run.finish('undisturbed')
  return host.calls
}

/** One call in each phase from the marker on: preparing, writing, finishing, and the removal of the journal. */
function crashesIn(calls: readonly string[]): number[] {
  const findLast = (pattern: RegExp) => calls.findLastIndex((call) => pattern.test(call))
  const marked = calls.findIndex((call) => /^link .*umlcow-merging$/.test(call))
  const written = findLast(/^write .*root_fs$/)
  const final = findLast(/^setMtime /)
  const chosen = [marked + 4, written, final + 3, findLast(/^unlink .*umlcow-journal$/)]
  expect(chosen.every((call, i) => call > (chosen[i - 1] ?? 0))).toBe(true)
  return chosen
}
