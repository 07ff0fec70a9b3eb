# Sourced by `test` and `render`: a database and namespace of its own on the running stack, filled and
# verified by `run-job`.
# Leaves folder $work with the executed notebooks in $work/executed and their figures in $work/figures.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
storepulse=$root/target/debug/storepulse
venv=$("$root/notebooks/venv")
stack_env=$("$storepulse" stack env) || { echo "error: the stack is not up: make up" >&2; exit 1; }
eval "$stack_env"
work=$(mktemp -d)
mkdir "$work/executed" "$work/figures"

tidy() {
    PG_URL=$stack_url "$venv/bin/python" "$root/notebooks/scratch.py" drop "$STOREPULSE_NAMESPACE" || true
    case $STOREPULSE_CHECKPOINT_ROOT in # only what this run wrote
        file:///*) rm -rf "${STOREPULSE_CHECKPOINT_ROOT#file://}/${STOREPULSE_NAMESPACE:?}" ;;
    esac
    rm -rf "$work"
}

# fail LOG WORDS: ends with the end of a log, and what went wrong.
fail() {
    tail -n 40 "$1" >&2
    echo "error: $2" >&2
    exit 1
}

# fill NAMESPACE START SPAN RATE LIVE_FOR LIVE_RATE: simulated time from START, then live events, all of it
# verified.
fill() {
    stack_url=$PG_URL
    export STOREPULSE_NAMESPACE=$1
    "$venv/bin/python" "$root/notebooks/scratch.py" drop "$1" # what a run that was killed has left
    trap tidy EXIT
    PG_URL=$("$venv/bin/python" "$root/notebooks/scratch.py" create "$1")
    export PG_URL
    {
        "$storepulse" setup
        "$storepulse" users --count 4000 --source simulated
        "$storepulse" simulate --start "$2" --duration "$3" --rate "$4" --daily-rhythm \
            --late-pct 0.5 --repeated-pct 0.5 --seed 7
        "$storepulse" run-job --no-stack --duration "$5" --rate "$6" --users 4000 --users-source simulated --seed 9
    } >"$work/filling" 2>&1 || fail "$work/filling" "the line of the notebooks did not fill"
    grep -E '^verified' "$work/filling"
}

# execute_all: every notebook, as it is committed.
execute_all() {
    cd "$root/notebooks" || exit
    for notebook in [0-9]*.ipynb; do
        echo "executing $notebook" >&2
        STOREPULSE_FIGURES=$work/figures PYTHONWARNINGS=ignore timeout 120 "$venv/bin/papermill" \
            --kernel python3 --log-level ERROR --no-progress-bar "$notebook" "$work/executed/$notebook" 2>"$work/log" ||
            fail "$work/log" "$notebook did not run to its end"
    done
}
