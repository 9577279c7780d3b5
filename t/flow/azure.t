#!/usr/bin/env perl

# The azure dialect, with the client that Azure's own packages poll with.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;

        async_dialect azure;
        async_retry_after 1s;

        location /reports {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /down {
            async on;
            async_retry off;
            proxy_pass http://127.0.0.1:1;
        }

        location /waits {
            async on;
            async_delay $arg_delay;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

$t->start;

my $here = 'http://127.0.0.1:' . $t->port;

sub operation {
    my ($what, $method, $target) = @_;
    return $t->node('t/lib/node/operation.js', $what, $method,
                    "$here$target");
}


for my $method (qw(POST PUT PATCH DELETE)) {
    my $run  = operation('run', $method, '/reports?sleep=1&status=201');
    my ($id) = $run->{operationLocation} =~ m{^\Q$here\E/jobs/([-0-9a-f]+)$};

    ok($id, "$method: Operation-Location is the job, absolute");
    is($run->{status}, 'succeeded', "$method: succeeded");
    is($run->{error}, undef, "$method: no error");
    is($run->{result}{method}, $method,
       "$method: the result is the backend's answer");
    is($run->{sent}[0], "$method /reports 202", "$method: accepted");
    is($run->{sent}[-1], "GET /jobs/$id/result 201",
       "$method: the last request is for the result");
    cmp_ok(scalar(grep { $_ eq "GET /jobs/$id 200" } @{ $run->{sent} }), '>=',
           2, "$method: it was polled");
}

is($t->backend_stats->{executions}, 4, 'each has run once');

my $resumed = operation('resume', 'POST', '/reports?sleep=1');
is($resumed->{status}, 'succeeded', 'another poller resumes it');
is($resumed->{result}{method}, 'POST', 'and has its result');
is($t->backend_stats->{executions}, 5, 'of the same operation');


my $refused = operation('run', 'POST', '/reports?status=409');
is($refused->{status}, 'failed', 'the backend refuses: failed');
like($refused->{error}, qr/backend-status/, 'with its code');
like($refused->{error}, qr/409/, 'and its status in the message');

my $down = operation('run', 'POST', '/down');
is($down->{status}, 'failed', 'no backend: failed');
like($down->{error}, qr/backend-unreachable/, 'with its code');


my $waits = operation('cancel', 'POST', '/waits?delay=1h');
is($waits->{status}, 'canceled', 'canceled before it was started');
is($waits->{error}, 'Operation was canceled', 'as the client says it');
ok((grep { /^DELETE \S+ 200$/ } @{ $waits->{sent} }), 'at once');

# what was told last was not done before what was told first
my @back = grep {
    my $first = $t->submit('/waits?delay=1h');
    my $poll  = $t->get($first->header('Operation-Location') =~ s{^\Q$here}{}r);

    $first->json->{lastActionDateTime} gt $poll->json->{lastActionDateTime};
} 1 .. 10;
is_deeply(\@back, [], 'lastActionDateTime does not go back');


my $runs = operation('cancel-running', 'POST', '/reports?sleep=60');
is($runs->{status}, 'canceled', 'canceled while it was running');
ok((grep { /^DELETE \S+ 202$/ } @{ $runs->{sent} }), 'when it has let go');
ok(poll_until(20, sub { grep { $_->{target} =~ /sleep=60/ }
                        $t->backend_log('gone') }),
   'the backend saw its connection close');

$t->done;
done_testing;
