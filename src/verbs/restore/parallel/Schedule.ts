/** Which of many pieces of work is next, where some wait for others and some must not run side by side. */

/** A piece of work. */
export interface Item {
  readonly id: string
  /** How long it will take, against others. */
  readonly weight: number
  /** What has to be done before, by id. */
  readonly needs: ReadonlyArray<string>
  /** No two that have one of these in common run at the same time. */
  readonly holds?: ReadonlyArray<string>
  /** There is nothing to do: it is done as soon as what it needs is. */
  readonly gate?: true
}

interface Entry<T> {
  readonly item: T
  waits: number
  readonly dependents: Array<Entry<T>>
  /** Its own weight and that of the longest chain that waits for it: what is longest is begun first. */
  length: number
}

/**
 * Hands out items, of those that are ready the one with the longest way to the end (ties: in the order given), so that
 * what keeps everything waiting is begun early.
 *
 * Throws where an item needs one that is not there, or itself over others.
 */
export class Schedule<T extends Item> {
  private readonly entries: ReadonlyMap<string, Entry<T>>
  private readonly held = new Set<string>()
  /** Sorted by length, longest first. */
  private readonly ready: Array<Entry<T>> = []
  private under = 0
  private left: number

  constructor(items: ReadonlyArray<T>) {
    const entries = new Map(
      items.map((item): [string, Entry<T>] => [item.id, { item, waits: 0, dependents: [], length: item.weight }])
    )
    if (entries.size !== items.length) throw new Error("Two items of a schedule have one id.")
    for (const entry of entries.values()) {
      for (const id of new Set(entry.item.needs)) {
        const needed = entries.get(id)
        if (needed === undefined) throw new Error(`${entry.item.id} needs ${id}, which is not there.`)
        needed.dependents.push(entry)
        entry.waits++
      }
    }
    this.entries = entries
    this.left = items.length
    this.measure()
    // A gate that is offered makes others ready: these are not among them.
    const free = [...entries.values()].filter(({ waits }) => waits === 0)
    for (const entry of free) this.offer(entry)
  }

  /** The next item; undefined where none can be begun now. */
  take(): T | undefined {
    const at = this.ready.findIndex(({ item }) => (item.holds ?? []).every((key) => !this.held.has(key)))
    const [entry] = at === -1 ? [] : this.ready.splice(at, 1)
    if (entry === undefined) return undefined
    for (const key of entry.item.holds ?? []) this.held.add(key)
    this.under++
    return entry.item
  }

  /** An item that was taken is done. */
  done({ id }: T): void {
    const entry = this.entries.get(id)
    if (entry === undefined) return
    this.under--
    for (const key of entry.item.holds ?? []) this.held.delete(key)
    this.settle(entry)
  }

  /** Whether all are done. */
  get finished(): boolean {
    return this.left === 0
  }

  /** Items that are taken and not done. */
  get running(): number {
    return this.under
  }

  /** Items that could be begun now, but for what they hold. */
  get waiting(): number {
    return this.ready.length
  }

  /** In the order of needs, backwards: the length of the way behind each. */
  private measure(): void {
    const waits = new Map([...this.entries.values()].map((entry) => [entry, entry.waits]))
    const order = [...waits].flatMap(([entry, count]) => (count === 0 ? [entry] : []))
    for (let at = 0; at < order.length; at++) {
      for (const dependent of order[at]!.dependents) {
        const count = waits.get(dependent)! - 1
        waits.set(dependent, count)
        if (count === 0) order.push(dependent)
      }
    }
    if (order.length !== waits.size) throw new Error("Items of a schedule wait for one another.")
    for (const entry of order.reverse()) {
      entry.length += Math.max(0, ...entry.dependents.map(({ length }) => length))
    }
  }

  private settle(entry: Entry<T>): void {
    this.left--
    for (const dependent of entry.dependents) if (--dependent.waits === 0) this.offer(dependent)
  }

  private offer(entry: Entry<T>): void {
    if (entry.item.gate === true) return this.settle(entry)
    let [low, high] = [0, this.ready.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.ready[middle]!.length >= entry.length) low = middle + 1
      else high = middle
    }
    this.ready.splice(low, 0, entry)
  }
}
