"""Man pages and completions of a command, from the same declarations as its help."""

import re
from collections.abc import Sequence

import animetools
from animetools.cli.command import Command
from animetools.options import Option

EXITS = [
    ("0", "All inputs were processed, even if nothing was printed."),
    ("1", "Some inputs failed, with a line each on standard error; the others were processed."),
    ("2", "Wrong usage, or the run could not start or continue."),
]
STREAM = (
    "FILE is a file or a folder. Without FILE, or with -, paths are read from standard input, one "
    "per line, or JSON objects as --json prints them. Folders in such a list are ignored, because "
    "find lists their files too."
)
ACCOUNT = "The last line on standard error says what happened to the inputs."
JOURNAL = (
    "The output folder has a hidden journal of inputs, settings and outputs. The same "
    "command run again, after a crash or with more inputs, does only what is missing and prints all "
    "paths. Without --force, outputs of other settings and files of others are never overwritten."
)


def man_page(command: Command, names: Sequence[str]) -> str:
    """The roff source of a command's page; `names` are all commands of the suite."""
    lines = [
        f'.TH "{command.name.upper()}" "1" "" "animetools {animetools.__version__}" "animetools"',
        ".SH NAME",
        f"{command.name} \\- {_text(command.summary[:1].lower() + command.summary[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {command.name}",
        "[\\fIOPTION\\fR]..." + _synopsis(command),
        ".SH DESCRIPTION",
        *_paragraphs(command.text.split("\n\n")),
        *(_paragraphs([STREAM, ACCOUNT]) if command.reads else []),
        *(_paragraphs([JOURNAL]) if command.out else []),
        ".SH OPTIONS",
        *_options(command.options),
        ".SS Shared by all commands",
        *_options(command.shared),
        *_option("\\fB\\-\\-version\\fR", "Print the version."),
        *_option("\\fB\\-\\-help\\fR", "Print the options."),
        ".SH EXIT STATUS",
        *(line for status, words in EXITS for line in _option(f"\\fB{status}\\fR", words)),
        ".SH EXAMPLES",
        ".nf",
        *(_text(example) for example in command.examples),
        ".fi",
        ".SH SEE ALSO",
        ", ".join(
            [f"\\fB{name}\\fR(1)" for name in names if name != command.name]
            + ["\\fBanimetools\\fR(7)"]
        ),
    ]
    return "\n".join(lines) + "\n"


def _synopsis(command: Command) -> str:
    """The arguments: all but the last are required."""
    if not command.arguments:
        return ""
    *needed, last = command.arguments[0].removesuffix(" ...").split()
    many = command.arguments[0].endswith(" ...")
    shown = [f"\\fI{name}\\fR" for name in needed]
    return " " + " ".join([*shown, f"[\\fI{last}\\fR]..." if many else f"\\fI{last}\\fR"])


def bash_completion(command: Command) -> str:
    """For bash-completion's folder, under the command's name."""
    function = f"_{command.name}"
    cases = "".join(
        f'        {flags}) COMPREPLY=($(compgen -W "{" ".join(option.choices)}" -- "$word")); return ;;\n'
        for option, flags in _with_flags(command, "|")
        if option.choices
    )
    values = "|".join(
        flags for option, flags in _with_flags(command, "|") if option.kind is not bool
    )
    words = " ".join(_all_flags(command))
    return (
        f"{function}() {{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "    case $before in\n"
        f"{cases}"
        f'        {values}) COMPREPLY=($(compgen -f -- "$word")); return ;;\n'
        "    esac\n"
        '    if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "'
        f'{words}" -- "$word"))\n'
        '    else COMPREPLY=($(compgen -f -- "$word")); fi\n'
        "}\n"
        f"complete -o filenames -F {function} {command.name}\n"
    )


def zsh_completion(command: Command) -> str:
    """For a folder of zsh's fpath, as _NAME."""
    lines = [f"#compdef {command.name}", "", "_arguments \\"]
    for option in _all(command):
        words = re.sub(r"([][\\:'\"`$])", r"\\\1", option.opt.help).replace("\\'", "'\\''")
        value = (
            ""
            if option.kind is bool
            else f":{option.unit.lower().split('|')[0]}:{_zsh_value(option)}"
        )
        long = f"'{option.flag}[{words}]{value}'"
        if option.opt.short:
            short = f"-{option.opt.short}"
            both = f"'({short} {option.flag})'{{{short},{option.flag}}}'[{words}]{value}'"
            lines.append(f"    {both} \\")
        else:
            lines.append(f"    {long} \\")
    lines.append("    '--version[Print the version.]' '--help[Print the options.]' \\")
    lines.append("    '*:file:_files'" if command.arguments else "    '*: :'")
    return "\n".join(lines) + "\n"


def fish_completion(command: Command) -> str:
    """For fish's completions folder, as NAME.fish."""
    lines = [] if command.arguments else [f"complete -c {command.name} -f"]
    for option in _all(command):
        short = f" -s {option.opt.short}" if option.opt.short else ""
        value = " -x -a '" + " ".join(option.choices) + "'" if option.choices else " -r"
        words = option.opt.help.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(
            f"complete -c {command.name}{short} -l {option.flag[2:]}"
            f"{'' if option.kind is bool else value} -d '{words}'"
        )
    lines.append(f"complete -c {command.name} -l version -d 'Print the version.'")
    lines.append(f"complete -c {command.name} -l help -d 'Print the options.'")
    return "\n".join(lines) + "\n"


def _all(command: Command) -> list[Option]:
    return [*command.options, *command.shared]


def _with_flags(command: Command, between: str) -> list[tuple[Option, str]]:
    return [(option, between.join(_flags(option))) for option in _all(command)]


def _flags(option: Option) -> list[str]:
    return [option.flag] + ([f"-{option.opt.short}"] if option.opt.short else [])


def _all_flags(command: Command) -> list[str]:
    return [flag for option in _all(command) for flag in _flags(option)] + ["--version", "--help"]


def _zsh_value(option: Option) -> str:
    return f"({' '.join(option.choices)})" if option.choices else "_files"


def _options(options: Sequence[Option]) -> list[str]:
    lines = []
    for option in options:
        flags = ", ".join(f"\\fB{_text(flag)}\\fR" for flag in reversed(_flags(option)))
        unit = f" \\fI{_text(option.unit)}\\fR" if option.unit else ""
        usual = f" The default is {option.usual}." if option.usual else ""
        lines += _option(flags + unit, option.opt.help + usual)
    return lines


def _option(term: str, words: str) -> list[str]:
    return [".TP", term, _text(words)]


def _paragraphs(paragraphs: Sequence[str]) -> list[str]:
    return [line for words in paragraphs for line in (".PP", _text(" ".join(words.split())))]


def _text(words: str) -> str:
    words = words.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + words if words.startswith((".", "'")) else words
