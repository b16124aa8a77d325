/**
 * A queue of bytes between two threads, in memory that both see: one thread writes, the other reads.
 *
 * pg_dump's own thread may block until there are bytes or room; the main thread must not, so it leaves word that it
 * waits ({@link expectBytes}, {@link expectRoom}) and is woken by a message.
 */

/** Positions count bytes since the beginning, modulo 2^32; the capacity divides that. */
const [readAt, writtenAt, closed, changes, readerWaits, writerWaits, fields] = [0, 1, 2, 3, 4, 5, 6]

export class SharedRing {
  /** Give this to the other thread, and make its end of the queue of it. */
  readonly buffer: SharedArrayBuffer
  readonly #control: Int32Array
  readonly #data: Uint8Array

  /** @param memory bytes of capacity, a power of two; or the other end's buffer. */
  constructor(memory: number | SharedArrayBuffer) {
    const header = fields * Int32Array.BYTES_PER_ELEMENT
    this.buffer = typeof memory === "number" ? new SharedArrayBuffer(header + memory) : memory
    this.#control = new Int32Array(this.buffer, 0, fields)
    this.#data = new Uint8Array(this.buffer, header)
    if (!Number.isInteger(Math.log2(this.#data.length))) throw new RangeError("the capacity must be a power of two")
  }

  /** Bytes written and not yet read. */
  get size(): number {
    return (Atomics.load(this.#control, writtenAt) - Atomics.load(this.#control, readAt)) >>> 0
  }

  get capacity(): number {
    return this.#data.length
  }

  /** Nothing more will be written. */
  get isClosed(): boolean {
    return Atomics.load(this.#control, closed) === 1
  }

  close(): void {
    Atomics.store(this.#control, closed, 1)
    this.#tellReader()
  }

  #tellReader(): void {
    Atomics.add(this.#control, changes, 1)
    Atomics.notify(this.#control, changes)
  }

  /** Copies in what there is room for, and gives how much that was. */
  write(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
    const count = Math.min(to - from, this.capacity - this.size)
    const written = Atomics.load(this.#control, writtenAt)
    const start = (written >>> 0) % this.capacity
    const atEnd = Math.min(count, this.capacity - start)
    this.#data.set(bytes.subarray(from, from + atEnd), start)
    if (count > atEnd) this.#data.set(bytes.subarray(from + atEnd, from + count), 0)
    Atomics.store(this.#control, writtenAt, (written + count) | 0)
    this.#tellReader()
    return count
  }

  /** Moves up to `length` bytes to `target`, and gives how many. */
  read(target: Uint8Array, at = 0, length: number = target.length - at): number {
    const count = Math.min(length, this.size)
    const read = Atomics.load(this.#control, readAt)
    const start = (read >>> 0) % this.capacity
    const atEnd = Math.min(count, this.capacity - start)
    target.set(this.#data.subarray(start, start + atEnd), at)
    if (count > atEnd) target.set(this.#data.subarray(0, count - atEnd), at + atEnd)
    Atomics.store(this.#control, readAt, (read + count) | 0)
    Atomics.notify(this.#control, readAt)
    return count
  }

  /** Blocks this thread until there are bytes, or none will come. */
  waitForBytes(): void {
    for (;;) {
      const seen = Atomics.load(this.#control, changes)
      if (this.size > 0 || this.isClosed) return
      Atomics.wait(this.#control, changes, seen)
    }
  }

  /** Blocks this thread until something can be written. */
  waitForRoom(): void {
    for (;;) {
      const read = Atomics.load(this.#control, readAt)
      if (this.size < this.capacity) return
      Atomics.wait(this.#control, readAt, read)
    }
  }

  /** Leaves word that the reader is to be woken; true where there are bytes already. */
  expectBytes(): boolean {
    Atomics.store(this.#control, readerWaits, 1)
    return this.size > 0
  }

  /** Whether the reader waits for what was just written. Says so once. */
  takeReader(): boolean {
    return Atomics.exchange(this.#control, readerWaits, 0) === 1
  }

  /** Leaves word that the writer is to be woken when three quarters are free; true where they are already. */
  expectRoom(): boolean {
    Atomics.store(this.#control, writerWaits, 1)
    return this.size <= this.capacity / 4
  }

  /** Whether the writer waits and there is room enough to be worth it. Says so once. */
  takeWriter(): boolean {
    return this.size <= this.capacity / 4 && Atomics.exchange(this.#control, writerWaits, 0) === 1
  }
}
