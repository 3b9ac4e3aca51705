import { createHash } from 'node:crypto'

const zeros = Buffer.alloc(1024 * 1024)

/** A digest of a file, which gets all its bytes in turn. */
export class Sha256 {
  private readonly hash = createHash('sha256')

  update(bytes: Uint8Array): void {
    this.hash.update(bytes)
  }

  /** Add some of `length` zeros: as many as take a millisecond or less. @returns how many */
  addZeros(length: number): number {
    const count = Math.min(length, zeros.length)
    this.hash.update(count === zeros.length ? zeros : zeros.subarray(0, count))
    return count
  }

  /** Get the digest in hexadecimal digits. Nothing can be added after that. */
  hex(): string {
    return this.hash.digest('hex')
  }
}
