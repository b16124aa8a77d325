/**
 * The order of dropping: from objects and what depends on what to the fewest DROP statements that work without
 * CASCADE, so that nothing goes which was not named.
 */
import * as Graph from "effect/Graph"

/** An object as a DROP statement names it. */
export interface Droppable {
  /** Identifies the object among all others: `classid:oid`. */
  readonly key: string
  /** The words after DROP: `TABLE`, `MATERIALIZED VIEW`, `FUNCTION` … */
  readonly kind: string
  /** The SQL text after the kind, quoted: `"public"."users"`, `public.add(integer, integer)`. */
  readonly identity: string
  /** The whole statement, where it is another one than `DROP kind identity`; it takes this object alone. */
  readonly drop?: string
}

/** `dependent` cannot be there without `on`, or goes with it. */
export interface Dependency {
  /** Key of the object that has to go first. */
  readonly dependent: string
  /** Key of the object it needs. */
  readonly on: string
  /** There is no other reason than foreign keys. */
  readonly foreignKeys?: true
}

/** One statement and the objects it names. */
export interface DropStatement<O extends Droppable = Droppable> {
  readonly sql: string
  readonly kind: string
  readonly objects: ReadonlyArray<O>
  /** True where objects of several kinds need each other, which only CASCADE resolves. */
  readonly cascade: boolean
}

export interface DropOptions {
  /**
   * Everything with CASCADE: also takes dependents that are not among the objects. The statements then carry IF EXISTS,
   * because an earlier one may have taken an object along.
   */
  readonly cascade?: boolean
  /** Objects a statement may name, 1,000 unless told. Tables that need each other are never separated. */
  readonly limit?: number
}

/** Objects that need each other and therefore go together, or one alone. */
export interface DropGroup<O extends Droppable> {
  readonly objects: ReadonlyArray<O>
  /** The kind of all of them, undefined where they differ or where their kind goes one by one. */
  readonly kind: string | undefined
}

/** Kinds whose DROP takes one object only. @see https://www.postgresql.org/docs/current/sql-dropopclass.html */
const single = new Set(["OPERATOR CLASS", "OPERATOR FAMILY", "CAST", "TRANSFORM"])

const goesAlone = ({ drop, kind }: Droppable): boolean => drop !== undefined || single.has(kind)

interface Component<O extends Droppable> extends DropGroup<O> {
  /** Components that may go once this one and its other dependents are gone. */
  readonly releases: Array<Component<O>>
  /** How many dependents are still there. */
  dependents: number
}

const components = <O extends Droppable>(
  objects: ReadonlyArray<O>,
  dependencies: ReadonlyArray<Dependency>
): ReadonlyArray<Component<O>> => {
  const indices = new Map<string, number>()
  const graph = Graph.directed<O, undefined>((mutable) => {
    for (const object of objects) indices.set(object.key, Graph.addNode(mutable, object))
    for (const { dependent, on } of dependencies) {
      const from = indices.get(dependent)
      const to = indices.get(on)
      if (from !== undefined && to !== undefined && from !== to) Graph.addEdge(mutable, from, to, undefined)
    }
    return undefined
  })
  const home = new Map<number, Component<O>>()
  // Everything in the order it was given, so that the statements read like the caller's list.
  const groups = Graph.stronglyConnectedComponents(graph).map((nodes) => nodes.sort((a, b) => a - b))
  groups.sort(([a = 0], [b = 0]) => a - b)
  const all = groups.map((nodes) => {
    const members = nodes.flatMap((node) => objects[node] ?? [])
    const kind = members[0]?.kind
    const together =
      members.every((member) => member.kind === kind) && (members.length === 1 || !members.some(goesAlone))
    const component: Component<O> = {
      objects: members,
      kind: together ? kind : undefined,
      releases: [],
      dependents: 0
    }
    for (const node of nodes) home.set(node, component)
    return component
  })
  for (const { dependent, on } of dependencies) {
    const from = home.get(indices.get(dependent) ?? -1)
    const to = home.get(indices.get(on) ?? -1)
    if (from === undefined || to === undefined || from === to) continue
    from.releases.push(to)
    to.dependents++
  }
  return all
}

/**
 * Kinds in the order in which each is best dropped whole: those that only others need come last. Kinds that need each
 * other (views and functions, say) share a place.
 */
const placesOf = <O extends Droppable>(all: ReadonlyArray<Component<O>>): ReadonlyMap<string | undefined, number> => {
  const kinds = [...new Set(all.map(({ kind }) => kind))]
  const indices = new Map(kinds.map((kind, index) => [kind, index]))
  const needs = new Set<number>()
  for (const { kind, releases } of all) {
    const from = indices.get(kind) ?? 0
    for (const next of releases) needs.add(from * kinds.length + (indices.get(next.kind) ?? 0))
  }
  const graph = Graph.directed<undefined, undefined>((mutable) => {
    for (const _ of kinds) Graph.addNode(mutable, undefined)
    for (const need of needs) {
      Graph.addEdge(mutable, Math.floor(need / kinds.length), need % kinds.length, undefined)
    }
    return undefined
  })
  // Components come in topological order, as Kosaraju's algorithm finds them. Only the number of statements hangs on it.
  return new Map(
    Graph.stronglyConnectedComponents(graph).flatMap((group, place) => group.map((node) => [kinds[node], place]))
  )
}

/**
 * The objects in an order in which they can go: what depends on an object stands before it or in the same group. What is
 * of one kind stands together as far as that is possible.
 *
 * Dependencies on objects that are not given are ignored.
 */
export const dropGroups = <O extends Droppable>(
  objects: ReadonlyArray<O>,
  dependencies: ReadonlyArray<Dependency>
): ReadonlyArray<DropGroup<O>> => {
  const groups: Array<DropGroup<O>> = []
  // Components without dependents, by kind. `undefined` holds the mixed ones.
  const ready = new Map<string | undefined, Array<Component<O>>>()
  const offer = (component: Component<O>) => {
    const queue = ready.get(component.kind)
    if (queue === undefined) ready.set(component.kind, [component])
    else queue.push(component)
  }
  const all = components(objects, dependencies)
  for (const component of all) if (component.dependents === 0) offer(component)

  const places = placesOf(all)
  const place = (kind: string | undefined) => places.get(kind) ?? 0
  while (ready.size > 0) {
    // In the same place the longest queue: the others grow meanwhile, so each kind is visited as seldom as possible.
    const [kind, queue] = [...ready].reduce((a, b) =>
      place(b[0]) < place(a[0]) || (place(b[0]) === place(a[0]) && b[1].length > a[1].length) ? b : a
    )
    // The queue grows while it is walked: what a component releases of the same kind may stand in the same statement.
    for (const component of queue) {
      groups.push(component)
      for (const next of component.releases) if (--next.dependents === 0) offer(next)
    }
    ready.delete(kind)
  }
  return groups
}

/** The statements that drop groups in their order; what follows each other and is of one kind shares a statement. */
export const groupStatements = <O extends Droppable>(
  groups: ReadonlyArray<DropGroup<O>>,
  { cascade: always = false, limit = 1000 }: DropOptions = {}
): ReadonlyArray<DropStatement<O>> => {
  const statements: Array<DropStatement<O>> = []
  const emit = (kind: string, named: ReadonlyArray<O>, cascade = always) => {
    const together = named.filter((object) => !goesAlone(object))
    const alone = named.filter(goesAlone).map((object) => [object])
    for (const each of [together, ...alone].filter(({ length }) => length > 0)) {
      const names = each.map((object) => object.identity).join(", ")
      const sql = each[0]?.drop ?? `DROP ${kind} ${cascade ? "IF EXISTS " : ""}${names}${cascade ? " CASCADE" : ""}`
      statements.push({ sql, kind, objects: each, cascade })
    }
  }
  let named: Array<O> = []
  for (const [index, { kind, objects }] of groups.entries()) {
    if (kind === undefined) {
      for (const each of new Set(objects.map((object) => object.kind))) {
        emit(
          each,
          objects.filter((object) => object.kind === each),
          true
        )
      }
      continue
    }
    for (const object of objects) named.push(object)
    const next = groups[index + 1]
    if (next?.kind !== kind || named.length + next.objects.length > limit) {
      emit(kind, named)
      named = []
    }
  }
  return statements
}

/**
 * The statements that drop the given objects and nothing else, in an order in which each succeeds.
 *
 * What depends on an object goes before it or in the same statement: the server accepts dependents that the statement
 * itself names, so mutual foreign keys, partitions and inheritance need no CASCADE. Only objects of *different* kinds
 * that need each other (a base type and its input function; a table and a function that takes its row and is its
 * column's default) are dropped with CASCADE, one statement a kind. All dependents of such a group are among the given
 * objects and already gone, as long as the caller has made sure that nothing else depends on them.
 *
 * Dependencies on objects that are not given are ignored.
 *
 * @see https://www.postgresql.org/docs/current/ddl-depend.html
 */
export const dropStatements = <O extends Droppable>(
  objects: ReadonlyArray<O>,
  dependencies: ReadonlyArray<Dependency>,
  options: DropOptions = {}
): ReadonlyArray<DropStatement<O>> => groupStatements(dropGroups(objects, dependencies), options)
