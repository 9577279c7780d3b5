/*
 * The dashboard.  What comes from the store is hostile: it becomes text, by
 * textContent and by nothing else, and never an address to go to.
 */

'use strict';

(() => {

const every = 5000;             // ms between looks where no stream is had
const streamAgain = 30000;      // ms until the next try to have one
const calm = 1000;              // ms between two looks because of changes

const states = ['queued', 'scheduled', 'processing', 'retrying', 'completed',
                'failed', 'canceled'];
const ended = ['completed', 'failed', 'canceled'];

const $ = (id) => document.getElementById(id);

let overview = null;            // what was told last
let owner = '';                 // searched for: in no address and in no log


/* --- text and elements --- */

function el(name, attributes, ...children) {
    const element = document.createElement(name);

    for (const [key, value] of Object.entries(attributes ?? {})) {
        element.setAttribute(key, value);
    }

    element.append(...children);
    return element;
}


function svg(name, attributes, text) {
    const element = document.createElementNS('http://www.w3.org/2000/svg',
                                             name);

    for (const [key, value] of Object.entries(attributes)) {
        element.setAttribute(key, value);
    }

    if (text !== undefined) {
        element.textContent = text;
    }

    return element;
}


/* as wide as there is room, so that its text is as large as any */
function sized(chart, height) {
    const width = Math.max(chart.clientWidth, 200);

    chart.setAttribute('viewBox', `0 0 ${width} ${height}`);
    return width;
}


/* what a cell holds besides text: made anew only if its sign changes, so that
   a button that has the focus keeps it */
const parts = (sign, make) => ({ sign: String(sign), make });


function put(cell, content) {
    if (content?.make) {
        if (cell.dataset.sign !== content.sign) {
            cell.dataset.sign = content.sign;
            cell.replaceChildren(...content.make());
        }

        return;
    }

    const text = String(content ?? '');

    if (cell.dataset.sign !== undefined || cell.textContent !== text) {
        delete cell.dataset.sign;
        cell.textContent = text;
    }
}


/* rows stay the same elements as long as their keys do */
function fill(body, items, key, cells) {
    const heads = [...body.parentNode.tHead.rows[0].cells];
    const keys = new Set(items.map((item) => String(key(item))));
    const rows = new Map();

    for (const row of [...body.rows]) {
        if (keys.has(row.dataset.key)) {
            rows.set(row.dataset.key, row);
        } else {
            row.remove();
        }
    }

    items.forEach((item, i) => {
        let row = rows.get(String(key(item)));

        if (!row) {
            row = el('tr', {}, ...heads.map((head) => el('td', {
                'class': head.className, 'data-label': head.textContent,
            })));
            row.dataset.key = String(key(item));
        }

        if (body.rows[i] !== row) {
            body.insertBefore(row, body.rows[i] ?? null);
        }

        cells(item).forEach((content, n) => put(row.cells[n], content));
    });
}


/* pairs of a name and a content; what has no value is left out */
function facts(list, pairs) {
    const shown = pairs.filter(([, value]) => value !== undefined
                                              && value !== '');
    const names = shown.map(([name]) => name).join('\n');

    if (list.dataset.names !== names) {
        list.dataset.names = names;
        list.replaceChildren(...shown.map(([name]) => el('div', {},
            el('dt', {}, name), el('dd'))));
    }

    shown.forEach(([, value], i) => put(list.children[i].lastChild, value));
}


const known = (status) => states.includes(status) ? status : '';

const badge = (status) => parts(status, () => [
    el('span', { 'class': `status ${known(status)}` }, status),
]);

const jobLink = (id) => parts(id, () => [
    el('a', { href: `#/job/${encodeURIComponent(id)}`, 'class': 'id' }, id),
]);


function clock(time) {
    if (!time) {
        return '';
    }

    const at = new Date(time);

    if (Number.isNaN(at.getTime())) {
        return '';
    }

    const two = (n) => String(n).padStart(2, '0');

    return `${at.getFullYear()}-${two(at.getMonth() + 1)}-`
        + `${two(at.getDate())} ${two(at.getHours())}:`
        + `${two(at.getMinutes())}:${two(at.getSeconds())}`;
}


function span(ms) {
    if (ms === undefined || Number.isNaN(ms)) {
        return '';
    }

    const s = Math.max(ms, 0) / 1000;

    return s < 1 ? `${Math.round(s * 1000)} ms`
        : s < 60 && Number.isInteger(s) ? `${s} s`
        : s < 60 ? `${s.toFixed(1)} s`
        : s < 3600 ? `${Math.floor(s / 60)} min`
                     + (s % 60 >= 1 ? ` ${Math.floor(s % 60)} s` : '')
        : s < 172800 ? `${Math.floor(s / 3600)} h `
                       + `${Math.floor(s % 3600 / 60)} min`
        : `${Math.floor(s / 86400)} d`;
}


function bytes(n) {
    const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
    let i = 0;

    while (n >= 1024 && i < units.length - 1) {
        n /= 1024;
        i++;
    }

    return `${i ? n.toFixed(1) : n} ${units[i]}`;
}


const between = (from, to) => from && to ? Date.parse(to) - Date.parse(from)
                                         : undefined;


/* --- asking, and doing --- */

class Refused extends Error {}


async function answerOf(request) {
    let answer;

    try {
        answer = await request;
    } catch (error) {
        if (error.name === 'AbortError') {
            throw error;
        }

        throw new Refused('nginx does not answer.');
    }

    if (answer.ok) {
        return answer;
    }

    let why = `nginx answers ${answer.status}.`;

    try {
        const type = answer.headers.get('Content-Type') ?? '';

        if (type.includes('json')) {
            const said = await answer.json();
            why = said.detail ?? said.error?.message ?? why;
        }
    } catch {
        /* the status has to do */
    }

    throw Object.assign(new Refused(why), { status: answer.status });
}


/* the server's clock, as the overview told it */
const nowThere = () => overview ? overview.now + Date.now() - overview.seen
                                : Date.now();


async function ask(what, query, signal) {
    const headers = {};

    if (query.owner) {
        headers['Async-Dashboard-Owner'] = encodeURIComponent(query.owner);
    }

    const args = new URLSearchParams(Object.entries(query).filter(
        ([name, value]) => name !== 'owner' && value));

    const answer = await answerOf(fetch(`data/${what}?${args}`,
                                        { headers, signal }));
    return Object.assign(await answer.json(), { seen: Date.now() });
}


async function act(name, args) {
    const answer = await answerOf(fetch(
        `act/${name}?${new URLSearchParams(args)}`,
        { method: 'POST', headers: { 'Async-Dashboard': '1' } }));

    return answer.json();
}


/* asks back first if there is a question, and says what came of it */
function doer(label, name, args, question, done) {
    const button = el('button', { type: 'button' }, label);

    button.addEventListener('click', async () => {
        if (question && !await confirmed(question)) {
            return;
        }

        button.disabled = true;

        try {
            const answer = await act(name, args);

            await refresh();
            tell(done(answer));
        } catch (error) {
            problem(error);
        } finally {
            button.disabled = false;
        }
    });

    return button;
}


function confirmed(question) {
    const dialog = $('confirm');

    $('confirm-text').textContent = question;
    dialog.returnValue = '';
    dialog.showModal();

    return new Promise((resolve) => {
        dialog.addEventListener('close',
                                () => resolve(dialog.returnValue === 'yes'),
                                { once: true });
    });
}


/* --- what is said at the top --- */

function problem(error) {
    $('problem').hidden = !error;

    if (error) {
        $('problem').textContent = error.message;
    }
}


function tell(text) {
    $('done').hidden = !text;
    $('done').textContent = text;
}


function live(how, text) {
    $('live').className = how;
    $('live').textContent = text;
}


/* --- overview --- */

function learn(answer) {
    const names = (of) => of?.queues.map((q) => q.name).join('\n');

    if (names(overview) !== names(answer)) {
        $('queue-names').replaceChildren(...answer.queues.map(
            (q) => el('option', { value: q.name })));
    }

    overview = answer;
    document.body.classList.toggle('shows', !overview.actions);

    for (const link of document.querySelectorAll('nav [data-if]')) {
        link.hidden = !overview[link.dataset.if];
    }
}


async function acquaint(signal) {
    if (!overview) {
        learn(await ask('overview', {}, signal));
    }
}


function showOverview() {
    const sum = (name) => overview.queues.reduce((n, q) => n + q[name], 0);

    facts($('figures'), [
        ['Waiting', sum('queued')],
        ['Running', sum('processing')],
        ['Queues', overview.queues.length],
        ['Jobs kept', overview.jobs],
        [`Store, of ${bytes(overview.sizeBytes)}`,
         `${(overview.usedBytes / overview.sizeBytes * 100).toFixed(1)} %`],
    ]);

    fill($('queues'), overview.queues, (q) => q.name, (q) => [
        parts(q.name, () => [el('a', {
            href: `#/jobs?queue=${encodeURIComponent(q.name)}`,
        }, q.name)]),
        q.queued, q.processing, span(q.oldestMs), q.ended,
        q.halfMs ? `${span(q.halfMs)}, ${span(q.mostMs)}` : '', limits(q),
        parts(q.paused, () => [el('span', {
            'class': q.paused ? 'status paused' : 'status',
        }, q.paused ? 'paused' : 'open')]),
        queueActions(q),
    ]);
}


function queueActions(q) {
    if (!overview.actions) {
        return '';
    }

    const args = { name: q.name };

    return parts([q.paused, q.queued > 0], () => [el('span', {
        'class': 'buttons',
    }, q.paused
        ? doer('Resume', 'resume', args, null,
               () => `Queue ${q.name} starts jobs again.`)
        : doer('Pause', 'pause', args, null,
               () => `Queue ${q.name} starts no more jobs.`),
    ...(q.queued > 0 ? [doer('Purge', 'purge', args,
        `Cancel all jobs that wait in queue ${q.name}?`,
        (answer) => `${answer.canceled} jobs were canceled.`)] : []))]);
}


function limits(q) {
    const list = [`${q.concurrency} at a time`, `${q.maxQueued} waiting`];

    if (q.intervalUs) {
        list.push(q.intervalUs > 1000000
                  ? `${Math.round(6e7 / q.intervalUs)} a minute`
                  : `${Math.round(1e6 / q.intervalUs)} a second`);
    }

    if (q.perOwner) {
        list.push(`${q.perOwner} of an owner`);
    }

    return list.join(', ');
}


/* --- charts --- */

const columns = { made: 0, completed: 1, failed: 2, canceled: 3,
                  waits: [4, 5], runs: [6, 7] };
const tall = 160, foot = 18, side = 46, above = 8;

let charts = null;
let chosen = 3600;              // s


/* 1, 2 or 5 times a power of ten, not below */
function round(value) {
    const power = 10 ** Math.floor(Math.log10(value));

    return [1, 2, 5, 10].find((n) => n * power >= value) * power;
}


/* the frame of a chart: what makes x of a bucket and y of a value */
function frame(chart, most, name) {
    const width = sized(chart, tall);
    const top = round(Math.max(most, 1));
    const wide = (width - side - 4) / charts.buckets.length;
    const y = (value) => tall - foot - value / top * (tall - foot - above);
    const hour = (i) => clock(charts.from + i * charts.width).slice(11, 16);

    chart.replaceChildren(...[0, top / 2, top].flatMap((value) => [
        svg('line', { 'class': 'grid', x1: side, x2: width - 4,
                      y1: y(value), y2: y(value) }),
        svg('text', { x: side - 6, y: y(value) + 4, 'text-anchor': 'end' },
            name(value)),
    ]), svg('text', { x: side, y: tall - 4 }, hour(0)),
    svg('text', { x: width - 4, y: tall - 4, 'text-anchor': 'end' }, 'now'));

    return { x: (i) => side + i * wide, y, wide };
}


function drawEnded() {
    const kinds = [['completed', 'good'], ['failed', 'wrong'],
                   ['canceled', 'waiting']];
    const chart = $('chart-ended');
    const all = (bucket) => bucket[1] + bucket[2] + bucket[3];
    const { x, y, wide } = frame(chart, Math.max(...charts.buckets.map(all)),
                                 (value) => value < 10000 ? value
                                     : `${value / 1000}k`);

    charts.buckets.forEach((bucket, i) => {
        let below = 0;

        for (const [kind, how] of kinds) {
            const value = bucket[columns[kind]];

            if (value === 0) {
                continue;
            }

            const bar = svg('rect', {
                'class': how, x: x(i), width: Math.max(wide - 1, 1),
                y: y(below + value), height: y(below) - y(below + value),
            });

            bar.append(svg('title', {}, `${clock(charts.from
                + i * charts.width)}: ${Math.round(value)} ${kind}`));
            chart.append(bar);
            below += value;
        }
    });

    const sums = kinds.map(([kind]) => `${Math.round(charts.buckets.reduce(
        (n, bucket) => n + bucket[columns[kind]], 0))} ${kind}`);

    chart.setAttribute('aria-label', `Jobs that ended: ${sums.join(', ')}`);
}


function drawTimes(chart, what, [half, most]) {
    const values = charts.buckets.map((bucket) => bucket[most] ?? 0);
    const { x, y, wide } = frame(chart, Math.max(...values), span);
    const last = charts.buckets.findLast((bucket) => bucket[half] !== null);

    for (const [column, how] of [[most, 'line upper'], [half, 'line']]) {
        const path = charts.buckets.map((bucket, i) => {
            const value = bucket[column];
            const at = x(i) + wide / 2;

            if (value === null) {
                return '';
            }

            const begins = (charts.buckets[i - 1]?.[column] ?? null) === null;

            /* one alone is a dash */

            return begins ? `M${at - wide / 2} ${y(value)}L${at} ${y(value)}`
                          : `L${at} ${y(value)}`;
        }).join('');

        chart.append(svg('path', { 'class': how, d: path }));
    }

    chart.setAttribute('aria-label', last
        ? `${what}: lately ${span(last[half])} for half of them, `
          + `${span(last[most])} for 19 in 20`
        : `${what}: no job ended`);
}


function showCharts() {
    drawEnded();
    drawTimes($('chart-waited'), 'Time that they waited', columns.waits);
    drawTimes($('chart-ran'), 'Time that they ran', columns.runs);

    $('each').textContent = `each bar ${span(charts.width)}`;
    $('sampled').hidden = !charts.sampled;

    for (const button of $('windows').children) {
        button.setAttribute('aria-pressed',
                            Number(button.dataset.window) === chosen);
    }
}


/* --- jobs --- */

const said = ({ job }) => job.error
    ? `${job.error.code}${job.error.detail ? `: ${job.error.detail}` : ''}`
    : job.message ?? '';

const waited = ({ job }) => between(job.createdAt, job.startedAt);

const ran = ({ job }) => job.finishedAt
    ? between(job.startedAt, job.finishedAt)
    : job.status === 'processing' ? nowThere() - Date.parse(job.startedAt)
    : undefined;


function showJobs(page) {
    fill($('jobs'), page.jobs, (row) => row.job.id, (row) => [
        badge(row.job.status), jobLink(row.job.id),
        `${row.method ?? ''} ${row.uri ?? ''}`, row.job.queue,
        clock(row.job.createdAt), span(waited(row)), span(ran(row)),
        row.job.attempt ? `${row.job.attempt} of ${row.job.maxAttempts}` : '',
        said(row),
    ]);

    $('no-jobs').hidden = page.jobs.length > 0;
    $('no-jobs').textContent = page.nextCursor
        ? 'No job was found among those looked at: go on with older ones.'
        : 'No job was found here.';
    $('older').hidden = !page.nextCursor;
    $('older').dataset.cursor = page.nextCursor ?? '';
    $('newest').hidden = !route().query.cursor;
}


const seconds = (local) => {
    const at = new Date(local);
    return local && !Number.isNaN(at.getTime()) ? at.toISOString() : '';
};


function search(form) {
    const asked = Object.fromEntries(new FormData(form));

    owner = asked.owner;

    if (asked.id.trim()) {
        go('job/' + encodeURIComponent(asked.id.trim().toLowerCase()));
        return;
    }

    go('jobs', { status: asked.status, queue: asked.queue,
                 since: seconds(asked.since), until: seconds(asked.until) });
}


function showSearch(query) {
    const form = $('search').elements;
    const local = (time) => clock(time).replace(' ', 'T');

    form.status.value = query.status ?? '';
    form.queue.value = query.queue ?? '';
    form.since.value = local(query.since);
    form.until.value = local(query.until);
    form.owner.value = owner;
    form.id.value = '';
}


/* --- one job --- */

/* what ran between which times, from the history */
function attemptsOf(events) {
    const list = [];

    for (const event of events) {
        const last = list.at(-1);

        if (event.event === 'processing' && event.attempt
            && last?.attempt !== event.attempt)
        {
            list.push({ attempt: event.attempt, from: event.at });
        } else if (last && !last.to && event.attempt === last.attempt
                   && event.event !== 'processing'
                   && event.event !== 'cancel-requested'
                   && event.event !== 'progress')
        {
            last.to = event.at;
            last.how = event.interrupted ? 'interrupted'
                       : event.error ?? event.event;
            last.wrong = Boolean(event.error || event.interrupted);
            last.status = event.status;
        }
    }

    return list;
}


function showTimeline(job, attempts) {
    const from = Date.parse(job.createdAt);
    const end = job.finishedAt ? Date.parse(job.finishedAt) : nowThere();
    const all = Math.max(end - from, 1);
    const width = sized($('timeline'), 56) - 8;
    const at = (time) => 4 + (Math.min(Math.max(
        (time ? Date.parse(time) : end) - from, 0), all)) / all * width;

    const bars = attempts.map((one) => {
        const x = at(one.from);
        const bar = svg('rect', {
            x, y: 8, height: 22, width: Math.max(at(one.to) - x, 1.5),
            'class': one.wrong ? 'wrong' : 'running',
        });

        bar.append(svg('title', {}, `attempt ${one.attempt}: `
                       + `${one.how ?? 'running'}, `
                       + span(between(one.from, one.to) ?? end
                              - Date.parse(one.from))));
        return bar;
    });

    $('timeline').replaceChildren(
        svg('rect', { x: 4, y: 14, width, height: 10,
                      'class': 'waiting' }),
        ...bars,
        svg('text', { x: 4, y: 48 }, clock(from)),
        svg('text', { x: width + 4, y: 48, 'text-anchor': 'end' },
            job.finishedAt ? clock(end) : 'now'));

    $('timeline').setAttribute('aria-label', `${span(all)} from the submit `
        + `${job.finishedAt ? 'to the end' : 'until now'}, `
        + `${attempts.length} attempts`);
}


function progress(job) {
    if (job.percentComplete === undefined) {
        return undefined;
    }

    return parts(job.percentComplete, () => [
        el('progress', { max: 100, value: job.percentComplete,
                         'aria-label': 'progress' }),
        ` ${job.percentComplete} %${job.estimated ? ', estimated' : ''}`,
    ]);
}


function jobActions(job, webhook) {
    const args = { id: job.id };
    const list = [];

    if (!ended.includes(job.status) && !job.cancelRequested) {
        list.push(doer('Cancel', 'cancel', args,
            `Cancel job ${job.id}? What its backend did so far is not undone.`,
            () => 'The job was told to stop.'));
    }

    if (job.status === 'failed' && !job.retriedAs) {
        list.push(doer('Retry', 'retry', args, null,
            (answer) => `It runs again, as job ${answer.retriedAs}.`));
    }

    if (webhook?.state === 'dead' || webhook?.state === 'delivered') {
        list.push(redeliver(job.id, 'Redeliver its webhook'));
    }

    if (ended.includes(job.status)) {
        list.push(doer('Delete', 'delete', args,
            `Delete job ${job.id} with its result and history?`,
            () => 'The job was deleted.'));
    }

    return list;
}


function showJob(row) {
    const { job } = row;
    const attempts = attemptsOf(row.events);

    if (overview?.actions) {
        put($('job-actions'), parts(
            [job.id, job.status, job.cancelRequested, job.retriedAs,
             row.webhook?.state],
            () => jobActions(job, row.webhook)));
    }

    $('job-title').textContent = `Job ${job.id}`;

    facts($('job-facts'), [
        ['Status', badge(job.status)],
        ['Progress', progress(job)],
        ['Message', job.message],
        ['Request', `${row.method ?? ''} ${row.uri ?? ''}`],
        ['Queue', job.queue],
        ['Priority', row.priority],
        ['Attempt', job.attempt ? `${job.attempt} of ${job.maxAttempts}`
                                : undefined],
        ['Created', clock(job.createdAt)],
        ['Started', clock(job.startedAt)],
        ['Next attempt', clock(job.nextAttemptAt)],
        ['Not before', job.status === 'scheduled' ? clock(row.dueAt)
                                                  : undefined],
        ['Probably done', clock(job.estimatedCompletionAt)],
        ['Finished', clock(job.finishedAt)],
        ['Result kept until', clock(job.expiresAt)],
        ['Result status', job.resultStatus],
        ['Resource', job.resourceUrl],
        ['Error', job.error ? said(row) : undefined],
        ['Cancel requested', job.cancelRequested ? 'yes' : undefined],
        ['Outcome', job.outcomeUnknown ? 'unknown' : undefined],
        ['Retry of', job.retryOf ? jobLink(job.retryOf) : undefined],
        ['Retried as', job.retriedAs ? jobLink(job.retriedAs) : undefined],
        ['Webhook', row.webhook && `${row.webhook.state}, `
                    + `${row.webhook.attempts} attempts`
                    + (lastTry(row.webhook) && `, ${lastTry(row.webhook)}`)],
        ['Webhook goes to', row.webhook && receiver(row.webhook)],
        ['Request body', bytes(row.requestBytes)],
        ['Response body', ended.includes(job.status)
                          ? bytes(row.responseBytes) : undefined],
        ['Status URL', job.statusUrl],
        ['Dialect', row.dialect === 'native' ? undefined : row.dialect],
        ['Owner', row.owned ? 'has one' : 'none'],
        ['May be sent twice', row.repeatable ? 'yes' : 'no'],
        ['Fire and forget', row.forget ? 'yes' : undefined],
        ['Encrypted', row.encrypted ? 'yes' : undefined],
    ]);

    showTimeline(job, attempts);

    fill($('attempts'), attempts, (one) => one.attempt, (one) => [
        one.attempt, clock(one.from), span(between(one.from, one.to)),
        one.how ?? 'running', one.status,
    ]);

    fill($('events'), row.events, (event) => event.seq, (event) => [
        event.seq, clock(event.at), event.event, event.by,
        [event.attempt ? `attempt ${event.attempt}` : '',
         event.status ? `backend ${event.status}` : '',
         event.durationMs ? span(event.durationMs) : '',
         event.interrupted ? 'interrupted' : '',
         event.error ?? ''].filter(Boolean).join(', '),
    ]);
}


/* --- webhooks --- */

const receiver = (hook) => hook.cut ? `${hook.url}?…` : hook.url;

const lastTry = (hook) => [hook.status ? `answered ${hook.status}` : '',
                           hook.error ?? ''].filter(Boolean).join(', ');


const redeliver = (id, label) => doer(label, 'redeliver', { id }, null,
                                      () => 'It is due again.');


function showWebhooks(page) {
    facts($('webhook-figures'), [
        ['Dead letters', page.dead],
        ['To be delivered', page.pending],
    ]);

    fill($('webhooks'), page.webhooks, (hook) => hook.id, (hook) => [
        parts(hook.state, () => [
            el('span', { 'class': hook.state === 'dead' ? 'status dead'
                                                        : 'status' },
               hook.state),
        ]),
        jobLink(hook.id), receiver(hook), hook.attempts, lastTry(hook),
        clock(hook.endedAt ?? hook.owedAt), clock(hook.dueAt),
        overview.actions && hook.state !== 'waiting'
            ? parts(hook.state, () => [redeliver(hook.id, 'Redeliver')]) : '',
    ]);

    $('no-webhooks').hidden = page.webhooks.length > 0;
    $('webhooks-older').hidden = !page.nextCursor;
    $('webhooks-older').dataset.cursor = page.nextCursor ?? '';
    $('webhooks-newest').hidden = !route().query.cursor;
}


/* --- schedules --- */

const standing = (one) => one.gone ? 'not in nginx.conf'
                                   : one.paused ? 'paused' : 'open';


function scheduleActions(one) {
    if (!overview.actions) {
        return '';
    }

    const args = { name: one.name };
    const list = [];

    if (!one.gone) {
        list.push(['Run now', 'schedule-run',
                   `Run ${one.name} now, besides its times?`,
                   () => 'It runs as soon as the worker takes it.']);
    }

    list.push(one.paused
        ? ['Resume', 'schedule-resume', null,
           () => `${one.name} runs at its times again.`]
        : ['Pause', 'schedule-pause', null,
           () => `${one.name} runs no more until it is resumed.`]);

    return parts([one.gone, one.paused], () => [el('span', {
        'class': 'buttons',
    }, ...list.map(([label, name, question, done]) =>
        doer(label, name, args, question, done)))]);
}


function showSchedules(list) {
    fill($('schedules'), list, (one) => one.name, (one) => [
        one.name,
        [one.cron ?? '', one.zone ?? '',
         one.misfire && one.misfire !== 'once' ? `misfire=${one.misfire}` : '',
         one.overlap ? 'overlap=allow' : ''].filter(Boolean).join(', '),
        clock(one.nextAt), clock(one.firedAt),
        one.job ? parts([one.job, one.last], () => [
            ...jobLink(one.job).make(), ' ',
            ...(one.last ? badge(one.last).make() : []),
        ]) : '',
        one.skipped,
        parts(standing(one), () => [el('span', {
            'class': one.paused ? 'status paused' : 'status',
        }, standing(one))]),
        scheduleActions(one),
    ]);

    $('no-schedules').hidden = list.length > 0;
}


/* --- views --- */

const views = {
    overview: {
        async refresh(at, signal) {
            learn(await ask('overview', {}, signal));
            showOverview();

            if (charts?.window !== chosen
                || Date.now() - charts.seen >= every)
            {
                charts = await ask('charts', { window: chosen }, signal);
                charts.window = chosen;
            }

            showCharts();
        },
    },

    jobs: {
        enter(at) {
            showSearch(at.query);
        },

        async refresh(at, signal) {
            await acquaint(signal);
            showJobs(await ask('jobs', { ...at.query, owner }, signal));
        },
    },

    webhooks: {
        enter(at) {
            $('webhook-state').value = at.query.state ?? 'dead';
        },

        async refresh(at, signal) {
            await acquaint(signal);
            showWebhooks(await ask('webhooks', {
                ...at.query, state: $('webhook-state').value,
            }, signal));
        },
    },

    schedules: {
        async refresh(at, signal) {
            await acquaint(signal);
            showSchedules((await ask('schedules', {}, signal)).schedules);
        },
    },

    job: {
        enter(at) {
            $('job-title').textContent = `Job ${at.id}`;
            facts($('job-facts'), []);
            fill($('attempts'), [], null, null);
            fill($('events'), [], null, null);
            $('timeline').replaceChildren();
        },

        async refresh(at, signal) {
            await acquaint(signal);
            showJob(await ask('job', { id: at.id }, signal));
        },
    },
};


function route() {
    const [, name, id, args] =
        /^#\/([a-z]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(location.hash) ?? [];

    if (!Object.hasOwn(views, name ?? '')) {
        return { name: 'overview', id: '', query: {} };
    }

    let decoded = '';

    try {
        decoded = decodeURIComponent(id ?? '');
    } catch {
        /* none that there is */
    }

    return { name, id: decoded,
             query: Object.fromEntries(new URLSearchParams(args ?? '')) };
}


function go(where, query) {
    const args = String(new URLSearchParams(Object.entries(query ?? {})
                        .filter(([, value]) => value)));
    const hash = `#/${where}${args && `?${args}`}`;

    if (location.hash === hash) {
        enter();
    } else {
        location.hash = hash;
    }
}


let asking = null;              // the look that is under way
let soon = null;                // the timer of the next


function enter(event) {
    const at = route();

    for (const section of document.querySelectorAll('main > section')) {
        section.hidden = section.id !== `view-${at.name}`;
    }

    for (const link of document.querySelectorAll('nav a')) {
        const here = link.hash === `#/${at.name === 'job' ? 'jobs'
                                                          : at.name}`;

        if (here) {
            link.setAttribute('aria-current', 'page');
        } else {
            link.removeAttribute('aria-current');
        }
    }

    $('done').hidden = true;
    views[at.name].enter?.(at);

    /* who came by a link goes on reading there */

    if (event) {
        $('main').focus();
        window.scrollTo(0, 0);
    }

    refresh();
}


async function refresh() {
    const at = route();

    asking?.abort();
    asking = new AbortController();

    const { signal } = asking;

    try {
        await views[at.name].refresh(at, signal);
        problem(null);
        return true;
    } catch (error) {
        if (!signal.aborted) {
            problem(error);
        }

        return false;
    }
}


/* many changes, one look */
function changed() {
    soon ??= setTimeout(() => {
        soon = null;
        refresh();
    }, calm);
}


/* --- news: a stream that says when to look, or a look now and then --- */

let stream = null;
let poll = null;
let again = null;


async function look() {
    const good = await refresh();

    live(good ? 'live' : 'lost', good ? `every ${every / 1000} s`
                                      : 'no connection');
}


function listen() {
    quiet();

    stream = new EventSource('live');

    stream.addEventListener('open', () => {
        clearInterval(poll);
        poll = null;
        live('live', 'live');
        changed();
    });

    stream.addEventListener('change', changed);

    stream.addEventListener('error', () => {
        if (stream.readyState === EventSource.CLOSED) {
            again ??= setTimeout(listen, streamAgain);
        }

        poll ??= setInterval(look, every);
        look();
    });
}


/* nobody looks: nothing is asked for, and no connection is kept */
function quiet() {
    stream?.close();
    stream = null;
    clearInterval(poll);
    poll = null;
    clearTimeout(again);
    again = null;
}


/* --- the beginning --- */

$('search').addEventListener('submit', (event) => {
    event.preventDefault();
    search(event.target);
});

$('search').addEventListener('reset', () => {
    owner = '';
    go('jobs');
});

$('older').addEventListener('click', () => {
    go('jobs', { ...route().query, cursor: $('older').dataset.cursor });
});

$('newest').addEventListener('click', () => {
    go('jobs', { ...route().query, cursor: '' });
});

$('windows').addEventListener('click', (event) => {
    if (event.target.dataset.window) {
        chosen = Number(event.target.dataset.window);
        refresh();
    }
});

window.addEventListener('resize', changed);

$('webhook-state').addEventListener('change', () => {
    go(`webhooks?state=${$('webhook-state').value}`);
});

$('webhooks-older').addEventListener('click', () => {
    go('webhooks', { ...route().query,
                     cursor: $('webhooks-older').dataset.cursor });
});

$('webhooks-newest').addEventListener('click', () => {
    go('webhooks', { ...route().query, cursor: '' });
});

document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault();
    $('main').focus();
});

window.addEventListener('hashchange', enter);

document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
        quiet();
    } else {
        listen();
    }
});

enter();
listen();

})();
