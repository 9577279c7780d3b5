#!/usr/bin/env perl

# Event streams: what a client is told, from the first event to the last, and
# what it is told when it comes back.

use strict;
use warnings;

use AsyncStream;
use AsyncTest;
use JSON::PP qw(encode_json);
use Test::More;
use Time::HiRes qw(sleep time);

my $t = AsyncTest->new(workers => 2, http => <<'END');
    gzip on;
    gzip_types *;
    gzip_min_length 0;
    postpone_output 1460;
    async_queue held paused;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        listen 127.0.0.1:%%PORT_SLOW%% sndbuf=2k;
        listen 127.0.0.1:%%PORT_TLS%% ssl http2;
        ssl_certificate     %%ROOT%%/cert.pem;
        ssl_certificate_key %%ROOT%%/key.pem;

        location /a     { async on; async_estimate off;
                          proxy_pass http://%%BACKEND%%; }
        location /e     { async on; proxy_pass http://%%BACKEND%%; }
        location /held  { async on queue=held; proxy_pass http://%%BACKEND%%; }
        location /later { async on; async_delay $arg_at;
                          proxy_pass http://%%BACKEND%%; }
        location /again { async on; async_retry 3 backoff=10ms:20ms;
                          proxy_pass http://%%BACKEND%%; }
        location /many  { async on; async_retry 80 backoff=1ms:2ms;
                          proxy_pass http://%%BACKEND%%; }
        location /azure { async on; async_dialect azure;
                          proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; async_wait 0 max=60s; }
        location /often/ { async_status; async_events_ping 200ms; }
        location /owned/ { async_status; async_owner $cookie_user; }
        location /mine  { async on; async_owner $cookie_user;
                          async_status_uri /owned/;
                          proxy_pass http://%%BACKEND%%; }
        location /progress/ { async_progress; }
        async_status_uri /jobs/;
    }
END
$t->make_certificate('localhost')->start;


sub job {
    my ($target, %args) = @_;
    return $t->job_path($t->submit($target, %args));
}


# a job that runs: (its path, where its backend reports)
sub running {
    my ($target, %args) = @_;
    my $before = $t->backend_count('executions');
    my $job    = job($target, %args);
    poll_until(20, sub { $t->backend_count('executions') > $before })
        or die 'the job does not run';
    my ($url) = ($t->backend_request)[0]
                =~ m{^Async-Progress-Url: https?://[^/]+(.*?)\r$}mi;
    return ($job, $url);
}


sub report {
    my ($url, %report) = @_;
    return $t->request('POST', $url, body => encode_json(\%report))->{status};
}


sub names { return [map { $_->{event} } @_] }

sub rising {
    my @ids = map { $_->{id} // () } @_;
    return !grep { $ids[$_] <= $ids[$_ - 1] } 1 .. $#ids;
}


subtest 'from the first to the last' => sub {
    my $accepted = $t->submit('/a?sleep=1');
    my $job = $t->job_path($accepted);
    is($accepted->json->{eventsUrl}, "$job/events", 'the 202 says where');

    my $s = AsyncStream->open($t, "$job/events", headers =>
                              ['Accept-Encoding' => 'gzip']);
    my $head = $s->head;

    is($head->{status}, 200, 'a stream');
    is($head->header('Content-Type'), 'text/event-stream', 'of events');
    is($head->header('Cache-Control'), 'no-cache', 'for no cache');
    is($head->header('X-Accel-Buffering'), 'no', 'nor a buffer');
    is($head->header('Content-Encoding'), undef, 'nor compressed');

    my $first = $s->next;
    is($s->{retry}, 3000, 'when to come again');
    like($first->{event}, qr/^(?:queued|processing)$/, 'the present state');
    is($first->{data}{status}, $first->{event}, 'and its document');
    is($first->{data}{eventsUrl}, "$job/events", 'which names the stream');

    my @rest = $s->rest;
    is($s->ended, 'whole', 'it ends in good order');
    is($rest[-1]{event}, 'completed', 'with the end of the job');
    is($rest[-1]{data}{resultStatus}, 200, 'and its document');
    ok(rising($first, @rest), 'ids rise');

    my $id = $rest[-1]{id};
    is(AsyncStream->open($t, "$job/events", last => $id)->head->{status}, 204,
       'who has seen the last event is told that there is no more');
    is(AsyncStream->open($t, "$job/events?last_event_id=$id")->head->{status},
       204, 'also by its URL');
    is(AsyncStream->open($t, "$job/events?last_event_id=1", last => $id)
       ->head->{status}, 204, 'the header counts before the URL');
    is(AsyncStream->open($t, "$job/events", last => $id + 7)->head->{status},
       204, 'so is who has seen more');

    my @again = AsyncStream->open($t, "$job/events")->rest;
    is_deeply(names(@again), ['completed'], 'who comes late gets the end');
    @again = AsyncStream->open($t, $job, headers =>
        ['Accept' => 'text/html;q=0.1, Text/Event-Stream;q=0.5'])->rest;
    is_deeply(names(@again), ['completed'], 'by Accept as well');
    @again = AsyncStream->open($t, $job, headers =>
        ['Accept' => 'text/event-stream, application/json;q=0.9, */*'])->rest;
    is_deeply(names(@again), ['completed'], 'which is weighed');
    for my $accept ('text/event-stream;q=0', 'text/event-streams', '*/*',
                    'text/event-stream;q=0.1, application/json',
                    'text/event-stream;q=0.5, */*;q=0.6')
    {
        is($t->get($job, headers => [Accept => $accept])
           ->header('Content-Type'), 'application/json', "not by $accept");
    }

    for my $bad ('', 'x', '-1', '01', '1.0', '1x', '99999999999999999999',
                 '18446744073709551616', '0x1', "\xff") {
        @again = AsyncStream->open($t, "$job/events", last => $bad)->rest;
        is_deeply(names(@again), ['completed'], "none of ours: \"$bad\"");
    }

    my $head_only = $t->request('HEAD', "$job/events");
    is($head_only->{status}, 200, 'HEAD');
    is($head_only->header('Content-Type'), 'text/event-stream', 'says what');
    my $post = $t->request('POST', "$job/events");
    is($post->{status}, 405, 'POST');
    is($post->header('Allow'), 'GET, HEAD, OPTIONS', 'what goes');
    is($t->get('/jobs/0192f3c1-7a9b-7c3e-9d2f-1b5e0c8a4d11/events')->{status},
       404, 'no such job');
    is($t->get("$job/events/")->{status}, 404, 'nothing below it');

    for my $if ('If-None-Match: *', 'If-Modified-Since: '
                . 'Sun, 29 Nov 2026 10:00:00 GMT', 'Range: bytes=0-5',
                'If-Match: "x"', 'Prefer: wait=20') {
        @again = AsyncStream->open($t, "$job/events",
                                   headers => [split /: /, $if, 2])->rest;
        is_deeply(names(@again), ['completed'], "no matter what: $if");
    }

    my $old = AsyncStream->open($t, "$job/events", version => '1.0');
    is_deeply(names($old->rest), ['completed'], 'HTTP/1.0');
};


subtest 'who comes back is told what is new, and nothing twice' => sub {
    my $job = job('/again?fail=2&status=503', method => 'PUT');
    $t->wait_job($job);

    my @all = AsyncStream->open($t, "$job/events", last => 0)->rest;
    is_deeply(names(@all),
              [qw(queued processing retrying queued processing retrying
                  queued processing completed)], 'all states');
    ok(rising(@all), 'ids rise');
    is_deeply([map { $_->{data}{status} } @all], names(@all),
              'each with the document of that state');
    is_deeply([map { $_->{data}{attempt} } @all],
              [undef, 1, 1, 1, 2, 2, 2, 3, 3], 'of that attempt');
    is($all[2]{data}{error}{code}, 'backend-status', 'and its error');
    is_deeply([grep { exists $_->{data}{finishedAt} } @all], [$all[-1]],
              'only the last has ended');

    for my $n (0 .. $#all - 1) {
        my @rest = AsyncStream->open($t, "$job/events",
                                     last => $all[$n]{id})->rest;
        is_deeply([map { $_->{id} } @rest],
                  [map { $_->{id} } @all[$n + 1 .. $#all]],
                  "after $all[$n]{id}");
    }
};


subtest 'progress' => sub {
    my ($job, $url) = running('/a?sleep=3');
    my $s = AsyncStream->open($t, "$job/events");
    is($s->next->{event}, 'processing', 'it runs');

    is(report($url, percentComplete => 10, message => "page 1\nof \"2\""),
       204, 'a report');
    my $e = $s->next;
    is($e->{event}, 'progress', 'is an event');
    is($e->{data}{percentComplete}, 10, 'with the document');
    is($e->{data}{message}, "page 1\nof \"2\"", 'on one line');

    is(report($url, percentComplete => 20), 204, 'another');
    is($s->next->{data}{percentComplete}, 20, 'is the next');
    my $late = AsyncStream->open($t, "$job/events", last => $e->{id} - 1);
    is($late->next->{data}{percentComplete}, 20,
       'who comes back gets the latest');
    my $new = AsyncStream->open($t, "$job/events")->next;
    is_deeply([@$new{qw(event id)}, $new->{data}{percentComplete}],
              ['processing', $e->{id} + 1, 20],
              'who is new the present state');

    report($url, percentComplete => $_ % 100, message => "row $_")
        for 1 .. 300;
    my ($before, $start) = ($t->get($job)->json->{message}, time);
    my @some;
    push @some, $s->next until @some && $some[-1]{data}{message} eq 'row 300';
    cmp_ok(scalar(@some), '<', 60, 'a chatty backend is told of now and then');
    ok(rising(@some), 'in order, and the last one is never left out');

    is($t->request('DELETE', $job)->{status}, 202, 'canceled');
    $e = $s->next;
    is_deeply([$e->{event}, $e->{data}{cancelRequested}],
              ['processing', JSON::PP::true()], 'the request is an event');
    is_deeply(names($s->rest), ['canceled'], 'and so is the end');
    is_deeply(names($late->rest)->[-1], 'canceled', 'for all');
};


subtest 'an estimate has no id' => sub {
    my $job = job('/e?sleep=1');
    $t->wait_job($job);
    ($job) = running('/e?sleep=4');

    my $s = AsyncStream->open($t, "$job/events");
    my @all = $s->rest;
    my @estimates = grep { !defined $_->{id} } @all;
    cmp_ok(scalar(@estimates), '>', 0, 'there are estimates');
    is_deeply([grep { $_->{event} ne 'progress'
                      || !$_->{data}{estimated} } @estimates], [],
              'they are progress, and marked');
    is_deeply([grep { $estimates[$_]{came} - $estimates[$_ - 1]{came} < 0.9 }
               1 .. $#estimates], [], 'at most one a second');
    is($all[-1]{event}, 'completed', 'the end follows');
    is(AsyncStream->open($t, "$job/events", last => $s->{last})
       ->head->{status}, 204, 'the last id is that of the end');
};


subtest 'a ping now and then' => sub {
    my $job = job('/held');
    my $s = AsyncStream->open($t, $job =~ s{/jobs/}{/often/}r . '/events');
    is($s->next->{event}, 'queued', 'a job that waits');
    my $start = time;
    ok($s->ping(5), 'pings come');
    cmp_ok(time - $start, '>', 0.7, 'not all at once');
    is($t->request('DELETE', $job)->{status}, 200, 'canceled');
    is_deeply(names($s->rest), ['canceled'], 'the end');
};


subtest 'one that is delayed' => sub {
    my $s = AsyncStream->open($t, job('/later?at=1') . '/events');
    my @all = $s->rest;
    is_deeply([names(@all)->[0], names(@all)->[-1]],
              ['scheduled', 'completed'], 'from scheduled to completed');
};


subtest 'owners and dialects' => sub {
    my $job = job('/mine', headers => [Cookie => 'user=alice']);
    is_deeply(names(AsyncStream->open($t, "$job/events", headers =>
                                      [Cookie => 'user=alice'])->rest)->[-1],
              'completed', 'its owner, known by a cookie');
    is(AsyncStream->open($t, "$job/events", headers =>
                         [Cookie => "user=$_"])->head->{status}, 404,
       "not \"$_\"") for 'bob', '';

    my $azure = $t->submit('/azure')->header('Operation-Location')
                =~ s{^https?://[^/]+}{}r;
    my @all = AsyncStream->open($t, "$azure/events")->rest;
    is($all[-1]{data}{status}, 'completed', 'streams are the same in all');
};


subtest 'over HTTP/2' => sub {
    my $tls = 'https://127.0.0.1:' . $t->port('TLS');
    my ($job, $url) = running('/a?sleep=2');

    $t->spawn('h2', 'curl', '-sSkN', '--http2', '-m', 60, '--noproxy', '*',
              map { ("$tls$job/events") } 1);
    ok(poll_until(10, sub {
        (slurp($t->root . '/h2.log') // '') =~ /^event: processing$/m
    }), 'the first event comes at once');
    is(report($url, percentComplete => 77), 204, 'a report');
    ok(poll_until(10, sub {
        slurp($t->root . '/h2.log') =~ /"percentComplete":77/
    }), 'comes at once as well');
    ok($t->wait_end('h2', 30), 'it ends');
    is($?, 0, 'in good order');
    like(slurp($t->root . '/h2.log'), qr/^event: completed$/m, 'with the job');

    # many streams of one connection
    $job = job('/a?sleep=1');
    my $out = $t->root . '/many';
    is(system('curl', '--no-progress-meter', '-k', '--http2', '-m', 60,
              '--noproxy', '*', '--parallel',
              map { ("$tls$job/events", '-o', "$out.$_") } 1 .. 20), 0,
       'twenty streams');
    is(scalar(grep { (slurp($_) // '') =~ /^event: completed$/m }
              glob "$out.*"), 20, 'are all told');
};


subtest 'who does not read' => sub {
    my $job  = job('/many?fail=79', method => 'PUT');
    my $slow = AsyncStream->open($t, "$job/events", port => 'SLOW',
                                 buffer => 1024);
    my $fast = AsyncStream->open($t, "$job/events", last => 0);

    my @all = $fast->rest;
    is(scalar(@all), 240, 'others are told all');
    ok(poll_until(10, sub {
        slurp($t->root . '/error.log') =~ /client does not read its events/
    }), 'is dropped when too much is waiting');

    my @some = $slow->rest;
    is($slow->ended, 'cut', 'its stream is cut');
    cmp_ok(scalar(@some), '<', 140, 'somewhere');
    my @rest = AsyncStream->open($t, "$job/events",
                                 last => $slow->{last})->rest;
    is_deeply([map { $_->{id} } @some, @rest],
              [map { $_->{id} } @all[-(@some + @rest) .. -1]],
              'when it comes back it misses nothing');
};


subtest 'streams leave half of the connections to others' => sub {
    $t->stop_nginx;
    local @$t{qw(workers connections)} = (1, 60);
    $t->start_nginx;

    my $job = job('/held');
    my (@streams, $refused);

    for (1 .. 40) {
        my $s = AsyncStream->open($t, "$job/events");
        push @streams, $s;
        next if $s->head->{status} == 200;
        $refused = $s->head;
        last;
    }

    is(scalar(@streams), 31, 'thirty of sixty');
    is($refused->{status}, 503, 'the next is refused');
    ok($refused->header('Retry-After'), 'and told when to come again');
    is($t->get($job, headers => [Prefer => 'wait=50'])->{status}, 200,
       'a poll is answered at once');
    $_->leave for splice @streams, 0, 5;
    ok(poll_until(10, sub {
        AsyncStream->open($t, "$job/events")->head->{status} == 200
    }), 'when some have left there is room');

    is($t->request('DELETE', $job)->{status}, 200, 'canceled');
    pop @streams;
    is(scalar(grep { names($_->rest)->[-1] eq 'canceled' } @streams),
       scalar(@streams), 'all are told');
};


$t->done;
done_testing;
