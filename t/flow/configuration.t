#!/usr/bin/env perl

# What nginx -t refuses, or warns of, because it can only be a mistake: what
# is said twice, what says nothing, what cannot be meant.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(store => undef, http => '');


# nginx -t of a store, queues and a location /a, with what is given instead
sub configured {
    my (%with) = @_;
    my $store = $with{store} // $t->root . '/store';
    my $queue = $with{queue} // '';
    my $a     = $with{location} // '';

    $t->{http} = <<"END";
    async_store $store;
    $queue
    server {
        listen 127.0.0.1:%%PORT%%;
        location /a     { async on; $a proxy_pass http://127.0.0.1:1; }
        location /b     { async on @{[ $with{b} // '' ]} proxy_pass http://127.0.0.1:1; }
        location /jobs/ { async_status; @{[ $with{status} // '' ]} }
    }
END
    return $t->nginx_t;
}


sub refused {
    my ($name, $sentence, %with) = @_;
    my ($code, $said) = configured(b => ';', %with);
    isnt($code, 0, "$name: refused");
    like($said, qr/\[emerg\] \S+ \Q$sentence\E/, "$name: and why");
    return;
}


sub warned {
    my ($name, $sentence, %with) = @_;
    my ($code, $said) = configured(b => ';', %with);
    is($code, 0, "$name: allowed") or diag($said);
    my $found = index($said, "[warn] ") >= 0 && index($said, $sentence) >= 0;
    is($found ? 'warned' : 'not', $sentence ? 'warned' : 'not', "$name: warned of")
        or diag($said);
    return;
}


is((configured(b => ';'))[0], 0, 'nothing is wrong with the rest of it');

my $root = $t->root;

refused('a store that is off', '"async_store off" names no folder',
        store => 'off');
refused('a store with a variable', '"async_store $foo" names no folder',
        store => '$foo');
refused('a variable in a path', "\"async_store $root/\$host\" names no folder",
        store => "$root/\$host");

my $twice = 'which says the same: write one of them';

for my $case (['"size=2g" comes after "size=1g"',
               store => "$root/store size=1g size=2g"],
              ['"sync=relaxed" comes after "sync=strict"',
               store => "$root/store sync=strict size=1g sync=relaxed"],
              ['"rate=2r/s" comes after "rate=1r/s"',
               queue => 'async_queue q rate=1r/s rate=2r/s;'],
              ['"paused" comes after "paused"',
               queue => 'async_queue q paused concurrency=2 paused;'],
              ['"backoff=2s" comes after "backoff=1s"',
               location => 'async_retry 3 backoff=1s backoff=2s;'],
              ['"failed=1d" comes after "failed=2d"',
               location => 'async_retention 1h failed=2d failed=1d;'],
              ['"ttl=2h" comes after "ttl=1h"',
               location => 'async_idempotency $arg_k ttl=1h ttl=2h;'])
{
    my ($what, %with) = @$case;
    refused($what, "$what, $twice", %with);
}

refused('a wait that is longer than its max',
        '"async_wait 40s" is longer than its max, which is 30s: write '
        . '"async_wait 40s max=40s", or a shorter time',
        location => 'async_wait 40s;');
refused('a wait that is longer than the max that is given',
        '"async_wait 2m" is longer than its max, which is 1m30s',
        location => 'async_wait 2m max=1m30s;');

my %owned = (location => 'async_owner $remote_user;',
             status   => 'async_owner $remote_user;',
             b        => 'queue=q; async_owner $http_x_user;');
my %one   = (queue => 'async_queue q;',
             map { $_ => $owned{$_} =~ s/\$\w+/everybody/r } keys %owned);

warned('an owner that is the same for all',
       '"async_owner everybody" makes everybody one and the same owner', %one);
warned('a limit for each owner, where nobody is one',
       'per_owner of "async_queue q" limits nobody',
       queue => 'async_queue q per_owner=3;', b => 'queue=q;');
warned('a limit for each owner, where there are some', '',
       queue => 'async_queue q per_owner=3;', %owned);

done_testing;
