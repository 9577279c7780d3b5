#!/usr/bin/env perl

# An inbox takes what the published packages of the three schemes sign.

use strict;
use warnings;

use AsyncTest;
use JSON::PP ();
use Test::More;


my $t = AsyncTest->new(http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;
        async on;

        location /standard {
            async_verify standard %%ROOT%%/standard;
            proxy_pass http://%%BACKEND%%;
        }

        location /github {
            async_verify github %%ROOT%%/github;
            proxy_pass http://%%BACKEND%%;
        }

        location /stripe {
            async_verify stripe %%ROOT%%/stripe;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ { async_status; }
    }
END

my %secrets = (
    standard => 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    github   => 'a secret with spaces',
    stripe   => 'whsec_c629bf77db5fd477d18b44265a2b13cd45d8d6bea5d8e496',
);

for my $scheme (sort keys %secrets) {
    $t->write_file($scheme, "$secrets{$scheme}\n");
    chmod 0600, $t->root . "/$scheme" or die $!;
}

$t->start;

my $here = 'http://127.0.0.1:' . $t->port;

for my $scheme (sort keys %secrets) {
    my $secret  = $secrets{$scheme};
    my $body    = qq({"id":"evt_$scheme","text":"gr\x{fc}\x{df}e"});
    my %message = (secret => $secret, id => "id-$scheme", signed => $body);
    my $sent    = JSON::PP->new->ascii->encode([
        \%message, \%message,
        { %message, secret => $secret =~ s/^.{12}\K./Z/r },
        { %message, sent => "$body " },
    ]);

    my ($first, $again, $other, $changed) =
        @{ $t->node('t/lib/node/sender.js', $scheme, "$here/$scheme", $sent) };

    is($first->{status}, 202, "$scheme: its package signs, we take it");
    is($again->{body}{id}, $first->{body}{id}, "$scheme: once");
    is($again->{replayed}, 'true', "$scheme: and say so");
    is($t->wait_job("/jobs/$first->{body}{id}")->{status}, 'completed',
       "$scheme: it runs");
    is($other->{body}{code}, 'signature-invalid',
       "$scheme: with another secret");
    is($changed->{body}{code}, 'signature-invalid',
       "$scheme: with another body");
}

is($t->backend_stats->{executions}, 3, 'each was run once');

$t->done;
done_testing;
