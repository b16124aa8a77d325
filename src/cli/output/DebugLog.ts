/**
 * What `--log-level debug` tells on stderr: every span with its time when it has ended, which Effect names after its
 * function, and every statement. `trace` tells when a span begins, too. Loaded only where it is asked for.
 *
 * No password is in it, and no row of data: of a statement stands what {@link file://../../postgres/SqlSpan.ts} lets be
 * seen, and its parameters never.
 */
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { textAttribute, textOf } from "../../postgres/SqlSpan.ts"
import { visibleLine } from "./Text.ts"

const milliseconds = (nanoseconds: bigint): string => `${(Number(nanoseconds) / 1e6).toFixed(1)} ms`

/** How deep a span is within others. */
const depthOf = ({ parent }: Tracer.AnySpan & { readonly parent: Option.Option<Tracer.AnySpan> }): number =>
  Option.match(parent, {
    onNone: () => 0,
    onSome: (outer) => (outer._tag === "Span" ? 1 + depthOf(outer) : 1)
  })

const ending = (exit: Exit.Exit<unknown, unknown>): string => (exit._tag === "Success" ? "" : "  (failed)")

/** A statement in one line. */
const statement = (text: unknown): string => visibleLine(textOf(String(text)).replaceAll(/\s+/g, " "))

/**
 * A tracer that writes a line for each span.
 *
 * @param write takes a whole line, without its end
 * @param begins whether the beginning of spans is told too
 */
export const tracer = (write: (line: string) => void, begins: boolean): Tracer.Tracer => {
  let origin: bigint | undefined
  const tell = (level: string, at: bigint, what: string) => {
    origin ??= at
    write(`${level}  ${(Number(at - origin) / 1e9).toFixed(3).padStart(8)} s  ${what}`)
  }
  class Told extends Tracer.NativeSpan {
    override end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
      if (this.status._tag === "Ended") return
      const text = this.attributes.get(textAttribute)
      const what = text === undefined ? `span  ${"  ".repeat(depthOf(this))}${this.name}` : `sql   ${statement(text)}`
      super.end(endTime, exit)
      tell("debug", endTime, `${milliseconds(endTime - this.startTime).padStart(11)}  ${what}${ending(exit)}`)
    }
  }
  return Tracer.make({
    span(options) {
      origin ??= options.startTime
      const span = new Told(options)
      if (begins)
        tell("trace", options.startTime, `${" ".repeat(11)}  span  ${"  ".repeat(depthOf(span))}${span.name} …`)
      return span
    }
  })
}
