/** What has changed in a target between two surveys, as far as it matters for what will be dropped. */
import type { CatalogObject } from "./Objects.ts"
import type { Survey } from "./Survey.ts"

const fact = <A>(items: ReadonlyArray<A>, describe: (item: A) => string, state: (item: A) => unknown) =>
  new Map(items.map((item) => [describe(item), JSON.stringify(state(item))]))

const object = ({ kind, identity, extension, owner, droppable }: CatalogObject) => ({
  name: `${kind.toLowerCase()} ${identity}`,
  state: [extension, owner, droppable]
})

/** Everything that a plan rests on, by its description. */
const facts = (survey: Survey): ReadonlyMap<string, string> =>
  new Map([
    ...fact(
      survey.schemas,
      ({ name }) => `schema ${name}`,
      (schema) => schema
    ),
    ...fact(
      survey.objects,
      (one) => object(one).name,
      (one) => [one.key, ...object(one).state]
    ),
    ...fact(
      survey.outside,
      ({ description, on }) => `${description} (which depends on ${on})`,
      ({ owner }) => owner
    ),
    ...fact(
      survey.published,
      ({ schema, table, publication }) => `table ${schema}.${table} in publication ${publication}`,
      ({ restore }) => restore
    ),
    ...fact(
      survey.extensions,
      ({ name }) => `extension ${name}`,
      (extension) => extension
    ),
    ...fact(
      survey.databaseWide,
      ({ kind, name }) => `${kind.toLowerCase()} ${name}`,
      (one) => one
    ),
    ...fact(
      survey.largeObjects,
      ({ oid }) => `large object ${oid}`,
      (one) => one
    ),
    ...fact(
      survey.configTables,
      ({ schema, name }) => `rows of the extension's table ${schema}.${name}`,
      (one) => one
    )
  ])

/**
 * What is there now and was not, is gone, or belongs to another: one phrase each (`new: view reports.totals …`). Empty
 * where a plan made from the first survey still holds.
 *
 * What stands on a table (indexes, triggers) is not compared: it goes with the table, as its rows do.
 */
export const changes = (before: Survey, after: Survey): ReadonlyArray<string> => {
  const [was, is] = [facts(before), facts(after)]
  return [
    ...[...is.keys()].filter((name) => !was.has(name)).map((name) => `new: ${name}`),
    ...[...was.keys()].filter((name) => !is.has(name)).map((name) => `gone: ${name}`),
    ...[...is].flatMap(([name, state]) => (was.has(name) && was.get(name) !== state ? [`changed: ${name}`] : []))
  ]
}
