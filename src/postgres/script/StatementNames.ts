/** How statements name what they are about: its kind and its name. */
import type { QualifiedName, StatementTokens } from "./StatementTokens.ts"

/** Kinds of two words or more; all others are one. */
const kinds = [
  ["access", "method"],
  ["event", "trigger"],
  ["foreign", "data", "wrapper"],
  ["foreign", "server"],
  ["foreign", "table"],
  ["large", "object"],
  ["materialized", "view"],
  ["operator", "class"],
  ["operator", "family"],
  ["text", "search", "configuration"],
  ["text", "search", "dictionary"],
  ["text", "search", "parser"],
  ["text", "search", "template"],
  ["user", "mapping"]
]

/** Takes the words that name a kind, upper-case. */
export const kindOf = (tokens: StatementTokens): string => {
  const words = kinds.find((kind) => tokens.take(...kind)) ?? [tokens.next()?.text ?? ""]
  return words.join(" ").toUpperCase()
}

/** Takes IF [NOT] EXISTS and ONLY. Returns whether the former was there. */
export const guard = (tokens: StatementTokens): boolean => {
  const guarded = tokens.take("if", "not", "exists") || tokens.take("if", "exists")
  tokens.take("only")
  return guarded
}

/** The name of an object of this kind: operators are symbols, user mappings a role and a server. */
export const nameOf = (tokens: StatementTokens, kind: string): QualifiedName | undefined => {
  if (kind === "OPERATOR") return tokens.operator()
  if (kind !== "USER MAPPING") return tokens.qualified()
  guard(tokens)
  tokens.take("for")
  const role = tokens.identifier() ?? ""
  return tokens.take("server") ? { name: `${role} on ${tokens.identifier() ?? ""}` } : { name: role }
}

/** The same, or the number of a large object. */
export const anyName = (tokens: StatementTokens, kind: string): QualifiedName | undefined =>
  kind === "LARGE OBJECT" ? { name: tokens.next()?.text ?? "" } : nameOf(tokens, kind)
