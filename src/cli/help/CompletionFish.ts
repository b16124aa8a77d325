/** The completion script for fish, 3 and later. */
import type { CommandWords, FlagWords, Program, Value } from "./Completion.ts"

const quoted = (text: string): string => `'${text.replaceAll(/[\\']/g, "\\$&")}'`

const options = (value: Value): ReadonlyArray<string> => {
  if (value === "anything") return ["-x"]
  if (value === "file") return ["-r", "-F"]
  return ["-x", "-a", value === "folder" ? "'(__fish_complete_directories)'" : quoted(value.join(" "))]
}

const flagLine = (
  program: string,
  condition: ReadonlyArray<string>,
  { description, names, value }: FlagWords
): string =>
  [
    "complete",
    "-c",
    program,
    ...condition,
    ...names.flatMap((name) => (name.startsWith("--") ? ["-l", name.slice(2)] : ["-s", name.slice(1)])),
    ...(value === undefined ? [] : options(value)),
    "-d",
    quoted(description)
  ].join(" ")

const commandLines = (program: string, { flags, name, values }: CommandWords): ReadonlyArray<string> => {
  const here = ["-n", `'__${program}_at ${name}'`]
  return [
    ...flags.map((flag) => flagLine(program, here, flag)),
    ...values.flatMap(({ description, value }) => {
      if (value === "anything") return []
      const given = value === "file" ? ["-F"] : options(value).slice(1)
      return [["complete", "-c", program, ...here, ...given, "-d", quoted(description)].join(" ")]
    })
  ]
}

export const script = ({ commands, globals, name }: Program): string => {
  const taking = [...globals, ...commands.flatMap(({ flags }) => flags)].filter(({ value }) => value !== undefined)
  return `# fish completion for ${name}

# Whether the line has come to this command, or without one to none.
function __${name}_at
  set -l words (commandline -opc)
  set -l command ''
  set -l value 0
  for word in $words[2..-1]
    if test $value = 1
      set value 0
      continue
    end
    switch $word
      case ${[...new Set(taking.flatMap(({ names }) => names))].join(" ")}
        set value 1
      case '-*'
      case '*'
        set command $word
        break
    end
  end
  test "$command" = "$argv[1]"
end

complete -c ${name} -f
${[
  ...commands.map(
    (command) => `complete -c ${name} -n '__${name}_at' -a ${command.name} -d ${quoted(command.description)}`
  ),
  ...globals.map((flag) => flagLine(name, [], flag)),
  ...commands.flatMap((command) => commandLines(name, command))
].join("\n")}`
}
