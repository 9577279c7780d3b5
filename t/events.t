# Event streams and progress, by HUP and under valgrind too; the rest is in
# t/flow/events.t and t/flow/progress.t.

use strict;
use warnings;

use AsyncNginx;
use AsyncStream;

no_root_location();

my $refused = grep { $_->{refused} } blocks();

plan tests => repeat_each() * (blocks() + $refused);
run_tests();

__DATA__

=== TEST 1: a stream tells what the backend reports, and who comes back the rest
--- config
    location /a         { async on; proxy_pass http://$TEST_NGINX_BACKEND; }
    location /jobs/     { async_status; async_events_ping 100ms; }
    location /progress/ { async_progress; }
--- check
my $job = submit('/a?sleep=2')->json->{statusUrl};
poll_until(20, sub { executions() == 1 }) or die 'the job does not run';
my ($url) = (seen(1))[0] =~ m{^Async-Progress-Url: http://[^/]+(\S+)\r$}mi;
my @streams = map { AsyncStream->open($t, "$job/events") } 1 .. 3;
is($_->next->{event}, 'processing', 'the present state') for @streams;

for my $n (1 .. 8) {
    is(request('POST', $url, body => "{\"percentComplete\":$n}")->{status},
       204, "report $n");
}
is(request('POST', $url, body => '{')->{status}, 400, 'none');
is(request('POST', "${url}0", body => '{}')->{status}, 404, 'not known');

for my $s (@streams[0, 1]) {
    my $e;
    do { $e = $s->next } while $e && $e->{data}{percentComplete} != 8;
    is($e->{event}, 'progress', 'the last of them');
}
ok($streams[0]->ping(2), 'pings');
$streams[1]->leave;
my @rest = $streams[0]->rest;
is($rest[-1]{event}, 'completed', 'the end');
is($streams[0]->ended, 'whole', 'in good order');
is(($streams[2]->rest)[-1]{event}, 'completed', 'for all');
is(scalar(my @all = AsyncStream->open($t, "$job/events", last => 0)->rest), 3,
   'all states again');
is(AsyncStream->open($t, "$job/events", last => $rest[-1]{id})->head
   ->{status}, 204, 'and then no more');
is(request('POST', $url, body => '{"percentComplete":9}')->{status}, 409,
   'a report that comes late');



=== TEST 2: async_events_ping takes a time
--- config
    location /jobs/ { async_status; async_events_ping 0; }
--- refused: "async_events_ping" directive takes the time between two pings, such as 15s
