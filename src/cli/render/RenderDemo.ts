/** What the demo tells, as lines of a terminal. */
import type { Told } from "../../demo/Demo.ts"
import { bold, hang } from "../output/Text.ts"

/** Escape sequences of foreground colours: https://en.wikipedia.org/wiki/ANSI_escape_code#Colors */
const colors = { bad: 33, good: 32 } as const

/** Line by line: what follows a line on the screen keeps its own colour. */
const paint = (text: string, color: number): string =>
  text.replaceAll(/[^\s].*/g, (line) => `\u001B[${color}m${line}\u001B[39m`)

/** A step under its number, and what belongs to it below its text. */
export const line =
  (color: boolean) =>
  ({ mood, step, text }: Told): string => {
    const label = step === undefined ? "   " : `${step}. `
    const lines = hang(text.startsWith("- ") ? `${label}- ` : label, text.replace(/^- /, ""))
    if (!color) return lines
    if (mood !== undefined) return paint(lines, colors[mood])
    return step === undefined ? lines : lines.replace(/^\d+\./, bold)
  }
