/** A directory dump as what a restore applies. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FileError, OpenDirectory } from "../../dumps/directory/DirectoryReading.ts"
import * as Layout from "../../dumps/directory/Layout.ts"
import type { DataFile, Manifest } from "../../dumps/Manifest.ts"
import type { Divided } from "./ApplyDirectory.ts"
import type { TablePart } from "./parallel/RowSource.ts"

/** The dump in this folder. Its files are held against the manifest while they are read. */
export const of = (
  folder: string,
  { compression }: Pick<Manifest, "compression">,
  directory: OpenDirectory
): Divided<FileError, never> => {
  const files = new Map(
    directory.data.map((data): [TablePart, DataFile] => [{ ...data, file: join(folder, data.file) }, data])
  )
  return {
    sql: (part) =>
      Effect.map(directory.sql(part), ({ pull }) => ({
        file: join(folder, Layout.sqlFile(part, { method: compression })),
        pull
      })),
    rows: {
      parts: [...files.keys()],
      send: (part, write) =>
        Effect.scoped(
          Effect.gen(function* () {
            const data = files.get(part)
            if (data === undefined) return yield* Effect.die(new Error(`${part.name} is no part of ${folder}`))
            const { pull } = yield* directory.rows(data)
            for (let piece = yield* pull; Option.isSome(piece); piece = yield* pull) yield* write(piece.value)
          })
        )
    }
  }
}
