"""Scripts that teach a shell the commands, options and choices there are.

Each script is fixed text made from the tables of commands, so completing starts no Python. Values
are completed where they are one of a few words, a file or a folder.
"""

from __future__ import annotations

from envbuild.cli.arguments import GLOBAL
from envbuild.workflows.settings import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envbuild.cli.arguments import Command, Option, Positional

    Tree = Mapping[str, Command]
    """Every command by the words that name it, aliases included."""

_FOLDERS = frozenset({"store", "cache-dir", "venv", "directory", "out-dir"})
_FILES = frozenset({"config-file", "lockfile", "python"})


def script(shell: str, commands: Iterable[Command], aliases: Mapping[str, str]) -> str:
    """Return the script for `shell`, `bash`, `zsh` or `fish`; `aliases` lead to names of `commands`."""
    named = {command.name: command for command in commands}
    tree = named | {alias: named[name] for alias, name in aliases.items()}
    writers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return "\n".join(writers[shell](tree))


def _bash(tree: Tree) -> Iterator[str]:
    every = [option for command in tree.values() for option in command.options]
    yield f"""\
_envbuild() {{
    local command= index word words options
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    # `--name=value` is three words to bash.
    if [[ $current == "=" ]]; then
        current=
    elif [[ $previous == "=" ]]; then
        previous="${{COMP_WORDS[COMP_CWORD-2]}}"
    fi
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${{COMP_WORDS[index]}}"
        case "$word" in
            {_alternatives(_valued(GLOBAL.options))}) ((index++)) ;;
            -*) ;;
            *)
                command="${{command:+$command }}$word"
                case "$command" in
                    {_alternatives(tree)}) break ;;
                esac
                ;;
        esac
    done
    case "$previous" in"""
    free: list[str] = []
    for option in _distinct(every):
        if not option.metavar:
            continue
        if choices := _choices(option):
            reply = f'COMPREPLY=($(compgen -W "{" ".join(choices)}" -- "$current"))'
            yield f"        {_alternatives(option.spellings)}) {reply}; return ;;"
        else:
            free += option.spellings
    # Nothing to say: bash goes on with the names of files.
    yield f"""\
        {_alternatives(free)}) return ;;
    esac
    case "$command" in"""
    for family in _families(tree):
        yield _bash_case(_quoted(family), _members(tree, family), GLOBAL.options)
    for name, command in tree.items():
        choices = command.positional.choices if command.positional else ()
        yield _bash_case(_quoted(name), choices, command.options)
    yield """\
        *) return ;;
    esac
    [[ $current == -* ]] && words=$options
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o bashdefault -o default -F _envbuild envbuild"""


def _bash_case(pattern: str, words: Iterable[str], options: Iterable[Option]) -> str:
    return (
        f"        {pattern}) words='{' '.join(words)}' options='{' '.join(_spellings(options))}' ;;"
    )


def _zsh(tree: Tree) -> Iterator[str]:
    yield f"""\
#compdef envbuild
_envbuild() {{
    local command= word
    local -i index=2
    while (( index < CURRENT )); do
        word=$words[index]
        case $word in
            {_alternatives(_valued(GLOBAL.options))}) (( index++ )) ;;
            -*) ;;
            *)
                command="${{command:+$command }}$word"
                case $command in
                    {_alternatives(tree)}) break ;;
                esac
                ;;
        esac
        (( index++ ))
    done
    case $command in"""
    for family in _families(tree):
        yield f"        {_quoted(family)})"
        yield "            local -a commands=("
        for member in _members(tree, family):
            name = f"{family} {member}".lstrip()
            summary = tree[name].summary if name in tree else ""
            yield f"                {_quoted(f'{member}:{summary}'.rstrip(':'))}"
        yield "            )"
        yield "            _describe command commands"
        yield f"            _arguments -s -S {_zsh_options(GLOBAL.options)}"
        yield "            ;;"
    for name, command in tree.items():
        yield f"        {_quoted(name)})"
        # What comes before the command's last word is not for `_arguments`.
        yield "            shift $(( index - 1 )) words; (( CURRENT -= index - 1 ))"
        specs = _zsh_options(command.options)
        if command.positional is not None:
            specs += f" {_zsh_positional(command.positional)}"
        yield f"            _arguments -s -S {specs}"
        yield "            ;;"
    yield """\
    esac
}
if [[ $funcstack[1] == _envbuild ]]; then
    _envbuild "$@"
else
    compdef _envbuild envbuild
fi"""


def _zsh_options(options: Iterable[Option]) -> str:
    specs: list[str] = []
    for option in options:
        if not option.help:
            continue
        text = option.help.translate({ord("["): "\\[", ord("]"): "\\]", ord(":"): "\\:"})
        value = ""
        if option.metavar:
            choices = _choices(option)
            action = " "
            if choices:
                action = f"({' '.join(choices)})"
            elif option.name in _FOLDERS:
                action = "_files -/"
            elif option.name in _FILES:
                action = "_files"
            value = f":{option.metavar}:{action}"
        repeated = "*" if _repeats(option) else ""
        together = f"({' '.join(option.spellings)})" if not repeated and option.short else ""
        specs += (
            _quoted(f"{together}{repeated}{spelling}[{text}]{value}")
            for spelling in option.spellings
        )
    return " ".join(specs)


def _zsh_positional(positional: Positional) -> str:
    action = f"({' '.join(positional.choices)})" if positional.choices else " "
    if positional.is_file:
        action = "_files"
    return _quoted(f"{'' if positional.required else ':'}:{positional.metavar}:{action}")


def _fish(tree: Tree) -> Iterator[str]:
    yield f"""\
function __envbuild_command
    set -l found
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case {" ".join(_valued(GLOBAL.options))}
                set skip 1
            case '-*'
            case '*'
                set found (string join ' ' -- $found $word)
                if contains -- "$found" {" ".join(_quoted(name) for name in tree)}
                    break
                end
        end
    end
    echo -n "$found"
end
function __envbuild_in
    set -l command (__envbuild_command)
    contains -- "$command" $argv
end
complete -c envbuild -f"""
    for family in _families(tree):
        condition = f"-n {_quoted(f'__envbuild_in {_quoted(family)}')}"
        for member in _members(tree, family):
            name = f"{family} {member}".lstrip()
            about = f" -d {_quoted(tree[name].summary)}" if name in tree else ""
            yield f"complete -c envbuild {condition} -a {member}{about}"
        yield from _fish_options(condition, GLOBAL.options)
    for name, command in tree.items():
        condition = f"-n {_quoted(f'__envbuild_in {_quoted(name)}')}"
        yield from _fish_options(condition, command.options)
        positional = command.positional
        if positional is not None and positional.choices:
            yield f"complete -c envbuild {condition} -a {_quoted(' '.join(positional.choices))}"
        if positional is not None and positional.is_file:
            yield f"complete -c envbuild {condition} -F"


def _fish_options(condition: str, options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        if not option.help:
            continue
        line = f"complete -c envbuild {condition} -l {option.name}"
        if option.short:
            line += f" -s {option.short}"
        choices = _choices(option)
        if choices:
            line += f" -x -a {_quoted(' '.join(choices))}"
        elif option.name in _FOLDERS | _FILES:
            line += " -r -F"
        elif option.metavar:
            line += " -x"
        yield f"{line} -d {_quoted(option.help)}"


def _families(tree: Tree) -> list[str]:
    """Return what may stand where a command is not yet whole: nothing, or its first word."""
    return ["", *dict.fromkeys(name.split()[0] for name in tree if " " in name)]


def _members(tree: Tree, family: str) -> list[str]:
    """Return the words that may follow `family`; aliases work, and are not offered."""
    names = (name for name, command in tree.items() if name == command.name)
    inside = (name.removeprefix(family).split() for name in names if name.startswith(family))
    return list(dict.fromkeys(words[0] for words in inside))


def _choices(option: Option) -> tuple[str, ...]:
    setting = SETTINGS.get(option.setting)
    return setting.choices if setting is not None and option.metavar else ()


def _repeats(option: Option) -> bool:
    setting = SETTINGS.get(option.setting)
    return setting is None or setting.is_list


def _valued(options: Iterable[Option]) -> list[str]:
    return _spellings(option for option in options if option.metavar)


def _spellings(options: Iterable[Option]) -> list[str]:
    return [spelling for option in options if option.help for spelling in option.spellings]


def _distinct(options: Iterable[Option]) -> Iterable[Option]:
    return {option.name: option for option in options}.values()


def _alternatives(words: Iterable[str]) -> str:
    """Return a pattern of `case` that fits any of `words`."""
    return "|".join(_quoted(word) if " " in word else word for word in words)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
