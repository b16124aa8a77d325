/** The completion script for bash, 3.2 (of macOS) and later. It needs no bash-completion. */
import type { CommandWords, FlagWords, Program, Value } from "./Completion.ts"

const kind = (value: Value): string => (typeof value === "string" ? value : `'${value.join(" ")}'`)

/** Lines of a `case` that says what a flag takes. */
const taking = (flags: ReadonlyArray<FlagWords>): ReadonlyArray<string> =>
  flags.flatMap(({ names, value }) => (value === undefined ? [] : [`    ${names.join("|")}) kind=${kind(value)} ;;`]))

const branch = ({ flags, name, values }: CommandWords): ReadonlyArray<string> => [
  `    ${name})`,
  `      flags='${flags.flatMap(({ names }) => names).join(" ")}'`,
  ...values.map(
    ({ value }, index) => `      ${index === 0 ? "" : `(( count >= ${index} )) && `}argument=${kind(value)}`
  ),
  "      ;;"
]

/** One line for each thing that a flag may take, whichever command it belongs to: the same name means the same. */
const distinct = (flags: ReadonlyArray<FlagWords>): ReadonlyArray<FlagWords> => [
  ...new Map(flags.map((flag) => [flag.names.join(" "), flag])).values()
]

export const script = ({ commands, globals, name }: Program): string => `# bash completion for ${name}

# What a flag takes: nothing, anything, a file, a folder, or one of some words.
_${name}_takes() {
  kind=
  case "$1" in
${taking(distinct([...globals, ...commands.flatMap(({ flags }) => flags)])).join("\n")}
  esac
}

_${name}() {
  local current="$2" words=() glued= piece last command= argument=nothing flags= kind= i count=0 open=0
  COMPREPLY=()
  # Bash takes an equals sign, and the colon and the @ of a URL, for words of their own.
  for piece in "\${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    if [[ -n "$glued" || "$piece" == [=:@]* ]]; then words[\${#words[@]}-1]+="$piece"; else words+=("$piece"); fi
    [[ "$piece" == *[=:@] ]] && glued=1 || glued=
  done
  last=$(( \${#words[@]} - 1 ))

  for (( i = 1; i < last; i++ )); do
    if (( open )); then
      (( count++ ))
    elif [[ "\${words[i]}" == -- ]]; then
      open=1
    elif [[ "\${words[i]}" == -* ]]; then
      # The value is the next word, unless it is behind an equals sign.
      _${name}_takes "\${words[i]}"
      [[ -n "$kind" ]] && (( i++ ))
    elif [[ -z "$command" ]]; then
      command="\${words[i]}"
    else
      (( count++ ))
    fi
  done

  case "$command" in
    '') argument='${commands.map(({ name }) => name).join(" ")}' ;;
${commands.flatMap(branch).join("\n")}
  esac

  kind=
  if (( i > last )); then
    _${name}_takes "\${words[last-1]}"
  elif (( open )) || [[ "\${words[last]}" != -* ]]; then
    kind="$argument"
  elif [[ "\${words[last]}" == *=* ]]; then
    _${name}_takes "\${words[last]%%=*}"
    [[ "$current" == = ]] && current=
  else
    kind="$flags ${globals.flatMap(({ names }) => names).join(" ")}"
  fi

  local IFS=$'\\n'
  case "$kind" in
    ''|nothing|anything) ;;
    file) compopt -o filenames 2>/dev/null; COMPREPLY=( $(compgen -f -- "$current") ) ;;
    folder) compopt -o filenames 2>/dev/null; COMPREPLY=( $(compgen -d -- "$current") ) ;;
    *) IFS=$' \\t\\n'; COMPREPLY=( $(compgen -W "$kind" -- "$current") ) ;;
  esac
}

complete -F _${name} ${name}`
