package BenchWebhooks;

# What dead receivers of webhooks cost the others: 1,000 deliveries to 50
# hosts, of which 10 are dead (5 refuse, 5 never answer), and the 800 to those
# that live, alone.  Jobs are canceled before the worker starts, so that
# deliveries are all that is to be done.  A host takes 20 ms for an answer.

use strict;
use warnings;

use AsyncHooks;
use AsyncLoad;
use AsyncTest;
use Bench;
use JSON::PP ();
use Time::HiRes qw(time);

my $each = 20;                                # deliveries to a host
my $live = 40;
my $dead = 10;


sub rows {
    my ($table, $rounds) = @_;
    my $t  = gateway();
    my %of = in_turn($rounds > 3 ? 3 : $rounds, {
        alone   => sub { deliver($t, 0) },
        beside  => sub { deliver($t, $dead) },
    });

    $table->pair('800 webhooks to 40 hosts beside 10 dead, s', 'alone', \%of,
                 qw(beside alone s), most => 1.2);
    $t->stop_all;
    return;
}


sub gateway {
    my $t = AsyncTest->new(name => 'bench-webhooks', http => <<'END');
        async_queue default paused;
        server {
            listen 127.0.0.1:%%PORT%%;
            server_name localhost;
            access_log off;
            location /reports {
                async on;
                async_callback http://$arg_to/in;
                async_callback_allow 127.0.0.0/8;
                async_callback_secret %%ROOT%%/secret per=host;
                proxy_pass http://%%BACKEND%%;
            }
            location /jobs/ { async_status; }
        }
END

    secret($t, 'secret');
    $t->write_file("$t->{root}/hosts.js", <<'END');
        const http = require('http');
        const [port, live, dead] = process.argv.slice(2).map(Number);
        let got = 0;
        for (let n = 1; n <= live + dead / 2; n++) {
            http.createServer((req, res) => {
                if (req.url === '/got') { res.end(String(got)); return; }
                req.resume();
                if (n > live) { return; }
                req.on('end', () => setTimeout(() => { got++; res.end(); },
                                               20));
            }).listen({ port, host: `127.0.1.${n}`, backlog: 511 });
        }
END
    $t->start_backend;
    $t->start_nginx;
    return $t;
}


# seconds from the worker's start to the last delivery to a host that lives
sub deliver {
    my ($t, $with) = @_;
    my $port  = $t->port('hosts');
    my $hosts = $live + $with;
    my $want  = $each * $live;

    $t->spawn('hosts', 'node', "$t->{root}/hosts.js", $port, $live, $with);
    poll_until(20, sub { defined got($t, $port) }) or die "no hosts\n";

    my @jobs = ask_all($t, 202, $each * $hosts, sub {
        return ('POST', '/reports?to=127.0.1.' . (1 + ($_[0] - 1) % $hosts)
                        . ":$port", 'x');
    });
    ask_all($t, 200, scalar @jobs, sub {
        return ('DELETE', "/jobs/$jobs[$_[0] - 1]{id}", '');
    });

    my $begun = time;
    $t->start_worker('--log-level', 'warn');
    poll_until(120, sub { got($t, $port) >= $want })
        or die 'only ', got($t, $port), " of $want came\n";
    my $took = time - $begun;

    $t->kill_worker;
    $t->stop('hosts');
    $t->command('delete', map { $_->{id} } @{ JSON::PP::decode_json(
        ($t->command('webhooks', '--json', '--limit', 10_000))[1])->{webhooks}
    });
    return { s => $took };
}


sub ask_all {
    my ($t, $status, $count, $request) = @_;
    my @answers = AsyncLoad->start($t, count => $count,
                                   request => $request)->finish;
    my $good = grep { ($_->{status} // 0) == $status } @answers;
    die "$good of $count answers are $status\n" if $good != $count;
    return @answers;
}


sub got {
    my ($t, $port) = @_;
    my $out = `curl -s -m 2 --noproxy '*' http://127.0.1.1:$port/got`;
    return $out =~ /^\d+$/ ? $out : undef;
}


1;
