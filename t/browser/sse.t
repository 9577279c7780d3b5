#!/usr/bin/env perl

# conf-examples/sse.conf and its page, in a browser: a stream that goes on
# through a reload and a kill of the nginx worker that serves it.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;


my $t = AsyncExample->new('sse.conf', backend => 'sse-backend.py');

$t->write_file('conf-examples/sse.html', $t->example('sse.html'));
$t->start;

my @answers = $t->by_hand;
is_deeply([map { $_->{status} } @answers], [202, 200],
          'by hand: accepted, and a stream');
like($answers[1]{body}, qr/^event: progress\n.*^event: completed\n/ms,
     'by hand: which tells of progress and of the end');

like($t->get('/sse.html')->header('Set-Cookie'), qr/^visitor=[0-9a-f]{32};/,
     'a visitor gets a cookie');
is($t->request('POST', '/reports', body => '')->{status}, 403,
   'without one nothing is accepted');


my $seen = $t->node('t/browser/sse.js', 'http://127.0.0.1:' . $t->port . '/sse.html',
                    $t->pid('nginx'));
$t->expect_log("worker process $_ exited on signal 9")
    for @{ $seen->{killed} };

my @events = @{ $seen->{seen}{events} };
my @ids    = map { $_->{id} } @events;

cmp_ok($seen->{seen}{opens}, '>=', 3, 'the browser has come back, twice');
ok(!(grep { $ids[$_] <= $ids[$_ - 1] } 1 .. $#ids), 'ids rise');
is($events[-1]{name}, 'completed', 'up to the end');
is_deeply([grep { $_->{name} ne 'progress' && $_->{name} ne $_->{status} }
           @events], [], 'each state has its document');
cmp_ok(scalar(grep { $_->{name} eq 'progress' } @events), '>', 3,
       'between them the backend reports');

# what its history says, from the first event on
my @states = map { [$_->{id}, $_->{name}] }
             grep { $_->{name} ne 'progress' } @events[1 .. $#events];
my @lines  = map { [$_->{seq}, $_->{event}] }
             grep { $_->{seq} > $ids[0] } @{ $seen->{history}{events} };
is_deeply(\@states, \@lines, 'no state is missed, and none is repeated');
is($events[-1]{attempt}, 2, 'the attempt that was killed was made again');

is($seen->{state}, 'completed: page 20 of 20', 'the page shows the end');
is($seen->{bar}, 100, 'its bar, too');
like($seen->{result}, qr/^\{"words": 2\}/, 'and the result');
is($seen->{more}, 0, 'the browser comes no more after a 204');

is($seen->{refused}, 'completed: page 20 of 20',
   'where streams are refused the page polls');
is($seen->{held}, 'completed: page 20 of 20',
   'and where they are held back');

$t->done;
done_testing;
