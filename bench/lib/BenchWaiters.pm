package BenchWaiters;

# What ten thousand waiting clients cost one nginx worker.
#
# They are long polls, one for a job each, and wait while status polls and
# submits of others are measured, without them and with them.  Then they
# leave, as many come again, and their jobs end.  Beside them: what as many
# subscribers of Nchan take.

use strict;
use warnings;

use AsyncLoad;
use AsyncTest;
use Bench;
use BenchOurs;
use BenchPeers;
use IO::Poll qw(POLLIN POLLHUP);
use IO::Socket::INET;


sub rows {
    my ($table, $rounds) = @_;
    my $clients = clients(quick() ? 2000 : 10_000);
    my $ours    = BenchOurs->new('waiters', connections => 3 * $clients);
    my $t       = $ours->{t};
    my ($nginx) = $t->nginx_workers;

    # before ours: both together would be more open files than there may be
    my $theirs  = nchan($t, $clients);
    my @ids     = submit_jobs($ours, $clients);
    my %without = rates($ours, $rounds, $ids[0]);
    my $empty   = anonymous_of($nginx);
    my @sockets = come($ours, @ids);
    my $full    = anonymous_of($nginx);
    my %with    = rates($ours, $rounds, $ids[0]);

    $table->row("memory of a long poll, KB ($clients wait)",
                'a subscriber of Nchan', ($full - $empty) / $clients,
                $theirs, most => 1);

    for my $what (qw(polls submits)) {
        my %of = (with => $with{$what}, without => $without{$what});
        $table->pair("$what/s while $clients wait", 'while nobody waits',
                     \%of, qw(with without rate));
        $table->pair('  processor time for one, us', 'while nobody waits',
                     \%of, qw(with without cpu));
    }

    my $one = anonymous_of($nginx);
    leave($ours, @sockets);
    @sockets = come($ours, @ids);
    my $two = anonymous_of($nginx);
    $table->fact('the memory of those who left is used again',
                 $two <= $one * 1.05 + 1024);

    $t->start_worker;
    $table->fact('all are told when their jobs end',
                 answered(120, @sockets) == $clients);
    $ours->stop;
    return;
}


# every client is an open file, here and in nginx
sub clients {
    my ($wanted) = @_;
    my $files = `sh -c 'ulimit -n'`;
    return $files =~ /^\d+$/ && $files < $wanted + 2000 ? $files - 2000
                                                        : $wanted;
}


sub rates {
    my ($ours, $rounds, $id) = @_;
    my $post = $ours->post;
    my @pids = $ours->pids;
    return in_turn($rounds, {
        polls   => sub { wrk("$ours->{url}/jobs/$id", pids => \@pids) },
        submits => sub { wrk("$ours->{url}/reports", script => $post,
                             pids => \@pids) },
    });
}


sub submit_jobs {
    my ($ours, $clients) = @_;
    my $load = AsyncLoad->start($ours->{t}, connections => 64,
        count => $clients,
        request => sub { return ('POST', "/run?key=$_[0]", 'x') });
    my @ids = map { $_->{id} // () } $load->finish;
    @ids == $clients or die 'not all jobs were accepted: ' . @ids;
    return @ids;
}


# opens a long poll for each job; returns when nginx has read them all
sub come {
    my ($ours, @ids) = @_;
    my ($before) = figures($ours);
    my @sockets = map {
        connected($ours->{t}->port, "GET /jobs/$_ HTTP/1.1\r\nHost: a\r\n"
                  . "Connection: close\r\nPrefer: wait=3600\r\n\r\n");
    } @ids;

    poll_until(60, sub { (figures($ours))[0] - $before >= @ids })
        or die 'nginx has not read all requests';
    return @sockets;
}


sub connected {
    my ($port, $bytes) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $port)
        or die "connect: $!";
    syswrite $socket, $bytes;
    return $socket;
}


# of nginx: requests so far, connections that are open
sub figures {
    my ($ours) = @_;
    my $body = $ours->{t}->get('/figures')->{body};
    my ($open)     = $body =~ /^Active connections: (\d+)/m;
    my ($requests) = $body =~ /^ \d+ \d+ (\d+)/m;
    return ($requests, $open);
}


sub leave {
    my ($ours, @sockets) = @_;
    close $_ for @sockets;
    poll_until(60, sub { (figures($ours))[1] < 100 })
        or die 'nginx does not see clients leave';
    return;
}


# how many of them are told that their job has completed, within the seconds
sub answered {
    my ($patience, @sockets) = @_;
    my $poll     = IO::Poll->new;
    my $deadline = time + $patience;
    my (%text, $told);

    $poll->mask($_ => POLLIN) for @sockets;

    while ($poll->handles && time < $deadline) {
        $poll->poll(1);
        for my $socket ($poll->handles(POLLIN | POLLHUP)) {
            next if sysread $socket, $text{$socket}, 1 << 16,
                            length($text{$socket} // '');
            $poll->remove($socket);
            $told++ if delete($text{$socket}) =~ /"status":"completed"/;
            close $socket;
        }
    }

    return $told // 0;
}


# KB of one that listens to a channel of its own
sub nchan {
    my ($t, $clients) = @_;
    my $nchan = BenchPeers->nchan($t, connections => 2 * $clients);
    my $port  = $nchan->port('front');
    my $ask   = sub { connected($port, "GET /sub?id=$_[0] HTTP/1.1\r\n"
                                . "Host: a\r\nAccept: text/event-stream\r\n"
                                . "\r\n") };

    my @sockets = map { $ask->($_) } 1 .. 100;
    settle(@{ $nchan->{pids} });
    my $empty = anonymous_of(@{ $nchan->{pids} });
    push @sockets, map { $ask->($_) } 101 .. $clients;
    settle(@{ $nchan->{pids} });

    my $each = (anonymous_of(@{ $nchan->{pids} }) - $empty)
               / ($clients - 100);
    close $_ for @sockets;
    $nchan->stop;
    return $each;
}


1;
