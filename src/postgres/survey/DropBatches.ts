/** Dropping in several transactions, where the server's lock table does not hold one of everything. */
import {
  type Dependency,
  type DropGroup,
  dropGroups,
  type Droppable,
  type DropStatement,
  groupStatements
} from "./DropOrder.ts"
import type { ForeignKey } from "./ForeignKeys.ts"

/** The statements of one transaction. */
export interface DropBatch<O extends Droppable = Droppable> {
  readonly statements: ReadonlyArray<DropStatement<O>>
  /** Entries of the lock table that they take. */
  readonly weight: number
}

export interface BatchOptions<O extends Droppable> {
  /** What dropping an object takes with all that goes with it, in entries of the lock table. */
  readonly weightOf: (object: O) => number
  /** Entries that one transaction may take. */
  readonly budget: number
  /** Foreign keys among the objects, as `readForeignKeys` gives them. */
  readonly foreignKeys: ReadonlyArray<ForeignKey>
}

/** What is dropped together, and what that locks. */
interface Item<O extends Droppable> extends DropGroup<O> {
  readonly own: number
  /** Keys of tables that it locks as well: they count where they do not go in the same transaction. */
  readonly touches: ReadonlyArray<string>
}

/** Collects what goes in one transaction. */
class Batch<O extends Droppable> {
  readonly items: Array<Item<O>> = []
  private own = 0
  private readonly members = new Set<string>()
  private readonly touched = new Set<string>()

  get weight(): number {
    return this.own + this.touched.size
  }

  /** The weight with one item more. */
  with({ objects, own, touches }: Item<O>): number {
    const keys = new Set(objects.map(({ key }) => key))
    const more = new Set(touches.filter((key) => !keys.has(key) && !this.members.has(key) && !this.touched.has(key)))
    const fewer = [...keys].filter((key) => this.touched.has(key))
    return this.weight + own + more.size - fewer.length
  }

  add(item: Item<O>): void {
    this.items.push(item)
    this.own += item.own
    for (const { key } of item.objects) {
      this.members.add(key)
      this.touched.delete(key)
    }
    for (const key of item.touches) if (!this.members.has(key)) this.touched.add(key)
  }
}

/** Groups with what they lock: a table also those that it refers to or is a partition of. */
const itemsOf = <O extends Droppable>(
  groups: ReadonlyArray<DropGroup<O>>,
  objects: ReadonlyArray<O>,
  dependencies: ReadonlyArray<Dependency>,
  weightOf: (object: O) => number
): ReadonlyArray<Item<O>> => {
  const kinds = new Map(objects.map(({ key, kind }) => [key, kind]))
  const needed = new Map<string, Array<string>>()
  for (const { dependent, on } of dependencies) {
    // What is not among the objects stays: it may be a table.
    if (kinds.get(dependent) !== "TABLE" || (kinds.get(on) ?? "TABLE") !== "TABLE") continue
    const known = needed.get(dependent)
    if (known === undefined) needed.set(dependent, [on])
    else known.push(on)
  }
  return groups.map((group) => ({
    ...group,
    own: group.objects.reduce((sum, object) => sum + weightOf(object), 0),
    touches: group.objects.flatMap(({ key }) => needed.get(key) ?? [])
  }))
}

const alone = <O extends Droppable>(item: Item<O>): number => new Batch<O>().with(item)

const link = (dependent: string, on: string): string => `${dependent} ${on}`

/** What is left to be dropped once the groups that are too large have been taken apart. */
const takeApart = <O extends Droppable>(
  large: ReadonlyArray<DropGroup<O>>,
  dependencies: ReadonlyArray<Dependency>,
  foreignKeys: ReadonlyArray<ForeignKey>
): { readonly first: ReadonlyArray<ForeignKey>; readonly dependencies: ReadonlyArray<Dependency> } => {
  const home = new Map(large.flatMap((group) => group.objects.map(({ key }) => [key, group])))
  const within = (dependent: string, on: string) =>
    dependent !== on && home.has(dependent) && home.get(dependent) === home.get(on)
  const inside = foreignKeys.filter(({ links }) => links.some(([dependent, on]) => within(dependent, on)))
  const staying = new Set(
    inside.filter(({ droppable }) => !droppable).flatMap(({ links }) => links.map(([from, to]) => link(from, to)))
  )
  const first = inside.filter(({ droppable }) => droppable)
  const gone = new Set(first.flatMap(({ links }) => links.map(([from, to]) => link(from, to))))
  return {
    first,
    dependencies: dependencies.filter(({ dependent, on, foreignKeys }) => {
      const key = link(dependent, on)
      return foreignKeys !== true || !gone.has(key) || staying.has(key)
    })
  }
}

/** Entries of the lock table that one transaction takes which drops all of these objects. */
export const dropEntries = <O extends Droppable>(
  objects: ReadonlyArray<O>,
  dependencies: ReadonlyArray<Dependency>,
  weightOf: (object: O) => number
): number => {
  const one = { objects, kind: undefined }
  return itemsOf([one], objects, dependencies, weightOf).reduce((sum, item) => sum + alone(item), 0)
}

/**
 * The same statements as `dropStatements` has, in the same order, cut into transactions that each take at most `budget`
 * entries of the lock table. Never with CASCADE, but where objects of different kinds need each other.
 *
 * Where tables that need each other are more than one transaction takes, their foreign keys are dropped first, in
 * transactions of their own; those that this role may not drop stay, and with them such tables stay together. What
 * cannot be taken apart is a transaction of its own, which is then above the budget: one object, or such objects.
 *
 * After each transaction what is left is whole, less foreign keys.
 */
export const dropBatches = <O extends Droppable>(
  objects: ReadonlyArray<O>,
  dependencies: ReadonlyArray<Dependency>,
  { budget, foreignKeys, weightOf }: BatchOptions<O>
): ReadonlyArray<DropBatch<O | ForeignKey>> => {
  const groups = dropGroups(objects, dependencies)
  const large = itemsOf(groups, objects, dependencies, weightOf).filter(
    (item) => item.objects.length > 1 && alone(item) > budget
  )
  const apart = takeApart(large, dependencies, foreignKeys)
  const keys = apart.first.map((foreignKey): Item<ForeignKey> => ({
    objects: [foreignKey],
    kind: foreignKey.kind,
    own: foreignKey.entries,
    touches: foreignKey.links.flat()
  }))
  const rest = apart.first.length === 0 ? groups : dropGroups(objects, apart.dependencies)
  return [...cut(keys, budget), ...cut(itemsOf(rest, objects, apart.dependencies, weightOf), budget)]
}

const cut = <O extends Droppable>(items: ReadonlyArray<Item<O>>, budget: number): ReadonlyArray<DropBatch<O>> => {
  const batches: Array<Batch<O>> = []
  for (const item of items) {
    const last = batches.at(-1)
    if (last !== undefined && last.with(item) <= budget) {
      last.add(item)
      continue
    }
    const next = new Batch<O>()
    next.add(item)
    batches.push(next)
  }
  return batches.map(({ items, weight }) => ({ statements: groupStatements(items), weight }))
}
