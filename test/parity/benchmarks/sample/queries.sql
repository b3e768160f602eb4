SELECT a.name, count(*) FROM authors a JOIN books b ON b.author_id = a.id GROUP BY a.name ORDER BY count(*) DESC, a.name LIMIT 5;
SELECT b.year, min(a.name) FROM books b JOIN authors a ON a.id = b.author_id WHERE b.year < 1960 GROUP BY b.year ORDER BY 1;
