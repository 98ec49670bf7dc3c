using VmRepl.Journal.Segments;

namespace VmRepl.Journal.Tests.Segments;

public class SegmentHandlesTests
{
    private CountedFiles files = null!;

    [SetUp]
    public void Count() => files = new CountedFiles();

    // 2 over 1: every use closes the other's file. 24 over 16: fewer are used at a time than may be open, so that the limit holds exactly. 24 over 3: more are used than may be open.
    [TestCase(2, 1, 1, 200_000)]
    [TestCase(24, 16, 2, 100_000)]
    [TestCase(24, 3, 3, 50_000)]
    public void Acquire_FromManyThreadsBesideEvictionsKeepsAndDisposals_NeverUsesAClosedFileAndClosesAll(int slots, int openMax, int leases, int rounds)
    {
        const int readers = 4, keepers = 1;
        var stress = new HandleStress(slots, openMax, leases);
        stress.Run(readers, rounds);
        TestContext.Out.WriteLine($"{stress.Files.Opened} opened, {stress.Files.OpenMost} at most at a time, {stress.Replaced} disposed, {stress.ReadAfterDispose} reads under way at that, {stress.Kept} kept");
        Assert.That(stress.Broken, Is.Empty);
        Assert.That(stress.Files.UsesAfterClose, Is.Zero, "uses after the close");
        Assert.That(stress.Files.ClosesAgain, Is.Zero, "closed twice");
        Assert.That(stress.LeftOpen, Is.Zero);
        Assert.That(stress.Files.Closed, Is.EqualTo(stress.Files.Opened), "everything that was opened is closed");
        // One that is kept is used beside; and one is being opened.
        var inUse = (readers * leases) + keepers + 1;
        Assert.That(stress.Files.OpenMost, Is.LessThanOrEqualTo(Math.Max(openMax, inUse)));
        Assert.That(stress.Files.Opened, Is.GreaterThan(10 * slots), "evictions came into play");
        Assert.That(stress.Replaced, Is.Positive);
        Assert.That(stress.ReadAfterDispose, Is.Positive, "disposals met reads under way");
        Assert.That(stress.Kept, Is.Positive);
    }

    [Test]
    public void Acquire_TwoThreadsAtOnceOfAClosedFile_OpensItOnce()
    {
        using var barrier = new Barrier(2);
        for (var round = 0; round < 500; round++)
        {
            var before = files.Opened;
            using var handle = Make(new SegmentHandles());
            Parallel.Invoke(Use, Use);
            Assert.That(files.Opened - before, Is.EqualTo(1));

            void Use()
            {
                barrier.SignalAndWait(TimeSpan.FromSeconds(1));
                handle.Acquire().Read(0, new byte[1]);
                handle.Release();
            }
        }

        Assert.That(files.Closed, Is.EqualTo(files.Opened));
    }

    [Test]
    public void Acquire_OneMoreThanMayBeOpen_ClosesTheOneUsedLongestAgo()
    {
        var handles = new SegmentHandles(3);
        SegmentHandles.Handle first = Make(handles), second = Make(handles), third = Make(handles), fourth = Make(handles);
        var oldest = Use(first);
        var middle = Use(second);
        var newest = Use(third);
        Assert.That(Use(first), Is.SameAs(oldest), "still open");
        Use(fourth);
        Assert.That(middle.IsClosed, Is.True);
        Assert.That(oldest.IsClosed, Is.False);
        Assert.That(newest.IsClosed, Is.False);
        Assert.That(Use(second), Is.Not.SameAs(middle), "opened again");
        Assert.That(files.OpenMost, Is.EqualTo(3));
    }

    [Test]
    public void Acquire_EverythingElseIsUsedOrKept_ExceedsTheLimitAndComesBackToIt()
    {
        var handles = new SegmentHandles(2);
        SegmentHandles.Handle used = Make(handles), kept = Make(handles), third = Make(handles), fourth = Make(handles);
        var first = (CountedFile)used.Acquire();
        kept.Keep();
        Use(third);
        Assert.That(handles.OpenCount, Is.EqualTo(3));
        Assert.That(first.IsClosed, Is.False);
        used.Release();
        kept.Unkeep();
        Use(fourth);
        Assert.That(handles.OpenCount, Is.EqualTo(2));
    }

    [Test]
    public void Acquire_OpeningFails_LeavesNothingOpenAndMayBeTriedAgain()
    {
        var handles = new SegmentHandles(1);
        var fails = true;
        var handle = new SegmentHandles.Handle(handles, () => fails ? throw new IOException("too many open files") : files.Open(1));
        Assert.That(handle.Acquire, Throws.TypeOf<IOException>());
        Assert.That(handle.Keep, Throws.TypeOf<IOException>());
        Assert.That(handles.OpenCount, Is.Zero);
        fails = false;
        var file = Use(handle);
        Use(Make(handles));
        Assert.That(file.IsClosed, Is.True, "neither used nor kept by what failed");
    }

    [Test]
    public void Dispose_WhileItIsUsed_ClosesAtTheLastRelease()
    {
        var handle = Make(new SegmentHandles());
        handle.Keep();
        var file = (CountedFile)handle.Acquire();
        handle.Acquire();
        handle.Dispose();
        Assert.That(handle.Acquire, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(handle.Keep, Throws.TypeOf<ObjectDisposedException>());
        handle.Release();
        Assert.That(file.IsClosed, Is.False);
        handle.Release();
        Assert.That(file.IsClosed, Is.True);
        handle.Dispose();
        Assert.That(files.ClosesAgain, Is.Zero);
    }

    [Test]
    public void Dispose_BesideTheLastRelease_ClosesTheFile()
    {
        const int rounds = 100_000;
        var made = Enumerable.Range(0, rounds).Select(_ => Make(new SegmentHandles())).ToArray();
        foreach (var handle in made) handle.Acquire();
        int releasing = -1, disposing = -1;
        var other = new Thread(() => InStep(ref releasing, ref disposing, handle => handle.Release(), 8));
        other.Start();
        InStep(ref disposing, ref releasing, handle => handle.Dispose(), 1);
        other.Join();
        Assert.That(files.Opened, Is.EqualTo(rounds));
        Assert.That(files.Closed, Is.EqualTo(rounds), "whoever comes last closes it");
        Assert.That(files.ClosesAgain, Is.Zero);

        // Both come to a handle together, one of them a little later: by how much differs from round to round.
        void InStep(ref int mine, ref int theirs, Action<SegmentHandles.Handle> act, int every)
        {
            for (var i = 0; i < rounds; i++)
            {
                Volatile.Write(ref mine, i);
                var wait = new SpinWait();
                while (Volatile.Read(ref theirs) < i) wait.SpinOnce(sleep1Threshold: -1);
                for (var delay = i / every % 8; delay > 0; delay--) Volatile.Read(ref theirs);
                act(made[i]);
            }
        }
    }

    private SegmentHandles.Handle Make(SegmentHandles handles) => new(handles, () => files.Open(0));

    private static CountedFile Use(SegmentHandles.Handle handle)
    {
        var file = (CountedFile)handle.Acquire();
        handle.Release();
        return file;
    }
}
